# The commands of README.md.  All work is done by the scripts in tools/; `make help` lists them.
PREFIX ?= /usr/local
export PREFIX

.PHONY: help nutshell nutshell-down nutshell-purge build install check check-long bench lint clean

help:
	@tools/help

# Everything on this machine: packages, build, node image, daemons, users, a sample application (root).
nutshell:
	@tools/nutshell
# Stops all of it and leaves nothing running; data stays (root).
nutshell-down:
	@tools/nutshell-down
# Stops it and removes data, configuration and users (root).
nutshell-purge:
	@tools/nutshell-purge

# Release build in build/release.
build:
	@tools/build release
# Programs below PREFIX, configuration in /etc/conpaas (root).
install: build
	@tools/install

# All suites; ends with "N passed, N failed" (root for the real containers).
check:
	@tools/check
# The same with more seeds and longer load.
check-long:
	@tools/check --long
# Figures, not verdicts.
bench:
	@tools/bench
# The layers' include check, shellcheck, clang-format, cppcheck, clang-tidy; ends with "N passed, N failed".
lint:
	@tools/lint

clean:
	rm -rf build

#!/usr/bin/env python3
"""Makes archives that must be refused: tests/real/hostile.py DIRECTORY.  One file each; the name says what it is."""
import io
import os
import sys
import tarfile
import zipfile

out = sys.argv[1]


def member(name, text=b"<?php echo 1;\n", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    info.size = len(text) if kind == tarfile.REGTYPE else 0
    return info, io.BytesIO(text) if kind == tarfile.REGTYPE else None


def tar(name, *members):
    with tarfile.open(os.path.join(out, name), "w:gz") as archive:
        for info, data in (member("index.php"),) + members:
            archive.addfile(info, data)


tar("dotdot.tar.gz", member("../evil.php"))
tar("dotdot-inside.tar.gz", member("a/../../evil.php"))
tar("absolute.tar.gz", member("/etc/evil.php"))
tar("link-out.tar.gz", member("out", b"", tarfile.SYMTYPE, "/etc/passwd"))
tar("link-up.tar.gz", member("up", b"", tarfile.SYMTYPE, "../../secret"))
tar("hardlink-out.tar.gz", member("hard", b"", tarfile.LNKTYPE, "/etc/passwd"))
tar("device.tar.gz", member("dev", b"", tarfile.CHRTYPE))
tar("fifo.tar.gz", member("pipe", b"", tarfile.FIFOTYPE))
tar("good.tar.gz", member("page.php"))
with open(os.path.join(out, "good.tar.gz"), "rb") as f:
    whole = f.read()
with open(os.path.join(out, "truncated.tar.gz"), "wb") as f:
    f.write(whole[: len(whole) // 2])
with open(os.path.join(out, "text.tar.gz"), "wb") as f:
    f.write(b"this is no archive\n" * 50)
with open(os.path.join(out, "empty.tar.gz"), "wb") as f:
    pass
with zipfile.ZipFile(os.path.join(out, "dotdot.zip"), "w") as z:
    z.writestr("index.php", "<?php echo 1;\n")
    z.writestr("../evil.php", "<?php echo 2;\n")

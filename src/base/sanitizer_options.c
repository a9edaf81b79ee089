/*
 * Part of the programs that run in nodes, in builds with AddressSanitizer alone.  It keeps freed memory back to find late
 * uses of it: 256 MB by default, more than a small node can spare, and the node died of it.
 */

/* Asked by the sanitizer before main(). */
const char *
__asan_default_options(void); /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
const char *
__asan_default_options(void) /* NOLINT(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
{
    return "quarantine_size_mb=16:thread_local_quarantine_size_kb=64";
}

/*
 * Tells the service manager how far we are (the protocol of sd_notify(3): a datagram to $NOTIFY_SOCKET).
 */
#pragma once

/* "READY=1", "STOPPING=1"; nothing happens without $NOTIFY_SOCKET. */
void notify(const char *text);

/*
 * Outcomes of calls to a cloud: drivers give them (src/cloud), provisioning decides by them (src/engine).
 */
#pragma once

/* Outcomes of every driver call: X(symbol, value, word, what the director does) */
#define CLOUD_RESULT_TABLE(X)                                                                                \
    X(CLOUD_OK, 0, "ok", "goes on")                                                                          \
    X(CLOUD_RETRY, -2001, "retry", "same token again after a pause")                                         \
    X(CLOUD_THROTTLED, -2002, "throttled", "same token again after a longer pause")                          \
    X(CLOUD_CAPACITY, -2003, "capacity", "gives up this node, says why")                                     \
    X(CLOUD_QUOTA, -2004, "quota", "gives up this node, says why")                                           \
    X(CLOUD_AUTH, -2005, "auth", "gives up, alarms the administrator")                                       \
    X(CLOUD_NOTFOUND, -2006, "not_found", "the thing does not exist")                                        \
    X(CLOUD_CONFLICT, -2007, "conflict", "looks again")                                                      \
    X(CLOUD_INVALID, -2008, "invalid", "gives up: our request is wrong")                                     \
    X(CLOUD_UNSUPPORTED, -2009, "unsupported", "says so")                                                    \
    X(CLOUD_UNKNOWN, -2010, "unknown", "the outcome is unknown: find(token) first")                          \
    X(CLOUD_PERMANENT, -2011, "permanent", "gives up this node, says why")

enum cloud_result {
#define X(sym, value, word, what) sym = value,
    CLOUD_RESULT_TABLE(X)
#undef X
};

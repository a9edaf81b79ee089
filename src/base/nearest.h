/*
 * "Did you mean ...?"
 */
#pragma once

/* The word of `words` (NULL-terminated) that was probably meant; NULL when none is near. */
const char *str_nearest(const char *text, const char *const *words);

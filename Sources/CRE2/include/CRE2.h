#ifndef PALANA_CRE2_H
#define PALANA_CRE2_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A compiled expression of RE2. Searching in it is safe from many threads, and its time is linear in the text.
typedef struct palana_re2 palana_re2;

/// Compiles an expression over UTF-8. Returns NULL for a wrong one, with what is wrong in `error` (ended by a zero).
palana_re2 *palana_re2_new(const char *pattern, size_t length, char *error, size_t error_size);

void palana_re2_free(palana_re2 *expression);

/// The first match in `text` at or behind `start`.
/// Returns 1 and its place, or 0 when there is none.
int palana_re2_find(const palana_re2 *expression, const char *text, size_t length, size_t start, size_t *from, size_t *to);

#ifdef __cplusplus
}
#endif

#endif

#include "CRE2.h"

#include <re2/re2.h>

#include <cstring>
#include <new>

struct palana_re2 {
  RE2 expression;

  palana_re2(const re2::StringPiece &pattern, const RE2::Options &options) : expression(pattern, options) {}
};

palana_re2 *palana_re2_new(const char *pattern, size_t length, char *error, size_t error_size) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(8 << 20);
  auto *made = new (std::nothrow) palana_re2(re2::StringPiece(pattern, length), options);
  const char *problem = !made ? "there is no memory for it" : made->expression.ok() ? nullptr : made->expression.error().c_str();
  if (!problem) return made;
  if (error_size > 0) {
    std::strncpy(error, problem, error_size - 1);
    error[error_size - 1] = 0;
  }
  delete made;
  return nullptr;
}

void palana_re2_free(palana_re2 *expression) { delete expression; }

int palana_re2_find(const palana_re2 *expression, const char *text, size_t length, size_t start, size_t *from, size_t *to) {
  if (start > length) return 0;
  re2::StringPiece found;
  if (!expression->expression.Match(re2::StringPiece(text, length), start, length, RE2::UNANCHORED, &found, 1)) return 0;
  *from = static_cast<size_t>(found.data() - text);
  *to = *from + found.size();
  return 1;
}

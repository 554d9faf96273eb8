#include "shim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The number after `word` at the start of a line, or of the whole file for an empty word.
static uint64_t value_in(const char *path, const char *word) {
  char text[8192];
  if (file_read(path, text, sizeof text) <= 0) return 0;
  if (!*word) return strtoull(text, NULL, 10);
  size_t length = strlen(word);
  for (char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
    if (strncmp(line, word, length) == 0 && line[length] == ' ') return strtoull(line + length, NULL, 10);
  return 0;
}

static uint64_t first_of(
    const char *one, const char *one_word, const char *two, const char *two_word, const char *group) {
  char path[4096];
  snprintf(path, sizeof path, one, group);
  uint64_t value = value_in(path, one_word);
  if (value) return value;
  snprintf(path, sizeof path, two, group);
  return value_in(path, two_word);
}

void group_read(const char *group, struct group_counters *counters) {
  counters->oom_kills = first_of("/sys/fs/cgroup/%s/memory.events", "oom_kill",
                                 "/sys/fs/cgroup/memory/%s/memory.oom_control", "oom_kill", group);
  counters->memory_peak = first_of("/sys/fs/cgroup/%s/memory.peak", "",
                                   "/sys/fs/cgroup/memory/%s/memory.max_usage_in_bytes", "", group);
  char path[4096];
  snprintf(path, sizeof path, "/sys/fs/cgroup/%s/cpu.stat", group);
  uint64_t microseconds = value_in(path, "usage_usec");
  snprintf(path, sizeof path, "/sys/fs/cgroup/cpuacct/%s/cpuacct.usage", group);
  counters->cpu_nanoseconds = microseconds ? microseconds * 1000 : value_in(path, "");
}

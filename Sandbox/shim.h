// What the parts of palana-shim share. See shim.c for what it is.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

// ---- job.c: what the daemon asks for, as records on standard input.

struct record {
  const char *key;    // NUL-terminated
  const char *value;  // NUL-terminated for convenience; may hold NULs
  size_t size;
};

struct job {
  struct record *records;
  size_t count;
};

// Reads records (u32 key length, u32 value length, little-endian, key, value) until the end of `fd`, or `size` bytes of
// `bytes`.
void job_read(struct job *job, int fd);
void job_parse(struct job *job, char *bytes, size_t size);
// The value, or NULL.
const char *job_get(const struct job *job, const char *key);
// The value; ends the process with a message when it is missing.
const char *job_need(const struct job *job, const char *key);
uint64_t job_number(const struct job *job, const char *key);

// ---- report.c: the one answer to who started us.

extern int report_fd;             // -1: nobody is listening any more
extern void (*report_cleanup)(void);  // what to undo before a failed start ends
extern void (*report_failure)(const char *sentence);  // instead of the line, if set
noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report(const char *text);

// ---- mounts.c

// A mount namespace of our own; what the machine unmounts later goes away here too.
void mounts_private(void);
// crun 1.8 refuses a hybrid machine, where some controller sits on version 2: hide that mount from it.
void mounts_hide_hybrid(void);
// An empty tmpfs, gone with our namespace.
void mounts_tmpfs(const char *path, const char *options);
// A user namespace of the user `owner` that maps `inside`..+`size` to `outside`..+`size`, as a descriptor.
int userns_open(
    uint32_t owner, uint32_t inside_uid, uint32_t outside_uid, uint32_t inside_gid, uint32_t outside_gid, uint32_t size);
// The namespace as a file at `target`.
void mounts_userns(int userns, const char *target);
// The tree at `source` at `target`, with ids as `userns` maps them.
void mounts_idmapped(const char *source, const char *target, int userns, bool writable);
// The folder `source` at `target`, read-only.
void mounts_bind(const char *source, const char *target);
// The image at `lower` with a scratch layer over it, so that mount points can be made in it; names relative to
// `bundle`.
void mounts_overlay(const char *bundle, uint32_t root_id);

// ---- storage.c

// The ext4 file system in `image` at `target`, ids as `userns` maps them.
void storage_mount(const char *image, const char *target, int userns);

// ---- files.c

// Every record `file/PATH` as a file below `folder`; the value starts with "MODE UID GID\n".
void files_write(const struct job *job, const char *folder);
// `text` as `folder/name`, whole or not at all.
void file_replace(const char *folder, const char *name, const char *text);
// At most size-1 bytes and a NUL; the count, or -1.
ssize_t file_read(const char *path, char *bytes, size_t size);
// Start time of a process in clock ticks since boot, or 0: tells a process from a later one with the same number.
uint64_t process_start(pid_t pid);

// ---- log.c

enum log_stream { LOG_STDOUT, LOG_STDERR };
void log_open(const char *folder, uint64_t file_bytes, unsigned files);
// Reads what is there; false: the end.
bool log_pump(enum log_stream stream, int fd);
// Writes what is left of unfinished lines.
void log_finish(void);
uint64_t now_microseconds(void);

// ---- cgroup.c

struct group_counters {
  uint64_t oom_kills, cpu_nanoseconds, memory_peak;
};
void group_read(const char *group, struct group_counters *counters);

// ---- spawn.c

// Starts a program with these descriptors as 0, 1, 2 and nothing else open; in a process group of its own.
pid_t spawn(char *const arguments[], int in, int out, int error);
// A descriptor that reads as the signals SIGCHLD and SIGTERM, which are blocked from now on.
int signals_open(void);
// The same for the single wait: true when the process ended within `milliseconds`.
bool wait_for(pid_t pid, int *status, int milliseconds);
// Undoes what we ignore and block, in a child before exec.
void signals_default(void);

// ---- frames.c

// Bytes on their way; who fills it keeps it bounded.
struct queue {
  char *bytes;
  size_t size, capacity;
};

void queue_put(struct queue *queue, const void *bytes, size_t size);
void queue_drop(struct queue *queue, size_t size);
void frame_put(struct queue *queue, char kind, const void *bytes, size_t size);
// The size of the first frame with its head if it is there whole, else 0. One that is too large ends the process.
size_t frame_whole(const struct queue *queue);

// ---- console.c

// A socket that listens at `path`, or -1.
int console_listen(const char *path);
// The descriptor that comes within the time, or -1.
int console_receive(int listener, int milliseconds);

// ---- modes

int run_main(void);
int exec_main(void);

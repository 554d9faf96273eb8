#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

enum { START_SECONDS = 60, DELETE_SECONDS = 20, DRAIN_MILLISECONDS = 500 };

static struct job job;
static char crun_log[4096], pid_file[4096];
static const char *state, *bundle;
static int out_pipe[2], error_pipe[2], life_line[2];

static void crun_delete(void) {
  char *arguments[] = {
      (char *)job_need(&job, "crun"), "--root", (char *)job_need(&job, "crun.root"), "--cgroup-manager=cgroupfs",
      "--log", crun_log, "delete", "--force", (char *)job_need(&job, "id"), NULL};
  int null = open("/dev/null", O_RDWR | O_CLOEXEC), status;
  pid_t pid = spawn(arguments, null, null, null);
  if (pid > 0 && !wait_for(pid, &status, DELETE_SECONDS * 1000)) kill(pid, SIGKILL);
  close(null);
}

// One shim for one agent, also across two daemons.
static void lock_state(void) {
  char path[4096], text[64];
  snprintf(path, sizeof path, "%s/lock", state);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) fail("%s: %s", path, strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) fail("conflict: it runs already");
  int size = snprintf(text, sizeof text, "%d %llu\n", getpid(), (unsigned long long)process_start(getpid()));
  if (ftruncate(fd, 0) != 0 || write(fd, text, (size_t)size) != size) fail("%s: %s", path, strerror(errno));
  // The descriptor stays open, and the lock with it, for as long as this process lives.
}

static void prepare_mounts(void) {
  uint32_t base = (uint32_t)job_number(&job, "id.base");
  uint32_t uid = (uint32_t)job_number(&job, "data.uid"), gid = (uint32_t)job_number(&job, "data.gid");
  char path[4096];
  mounts_private();
  mounts_hide_hybrid();
  mounts_tmpfs(bundle, "mode=0711,size=32m,nr_inodes=8192");
  const char *folders[] = {"rootfs", "lower", "data", "secrets"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    snprintf(path, sizeof path, "%s/%s", bundle, folders[i]);
    if (mkdir(path, 0755) != 0 || chmod(path, 0755) != 0) fail("%s: %s", path, strerror(errno));
  }
  files_write(&job, bundle);
  const char *lower = job_get(&job, "rootfs.lower");
  if (lower) {
    snprintf(path, sizeof path, "%s/lower", bundle);
    int ids = userns_open(0, 0, base, 0, base, 65536);
    mounts_idmapped(lower, path, ids, false);
    close(ids);
    mounts_overlay(bundle, base);
  } else {
    snprintf(path, sizeof path, "%s/rootfs", bundle);
    mounts_bind(job_need(&job, "rootfs.view"), path);
  }
  // Owned by the agent's own first id, not by root: what the kernel counts for each user (inotify instances, queued
  // signals, message queues) it counts for the namespace's owner too, and one agent could use up root's share.
  int sandbox = userns_open(base, 0, base, 0, base, 65536);
  snprintf(path, sizeof path, "%s/userns", bundle);
  mounts_userns(sandbox, path);
  close(sandbox);
  // On the disk everything belongs to 1000, whoever the image's user is and wherever the agent's ids start.
  int ids = userns_open(0, 1000, uid, 1000, gid, 1);
  snprintf(path, sizeof path, "%s/data", bundle);
  const char *image = job_get(&job, "data.image");
  if (image)
    storage_mount(image, path, ids);
  else
    mounts_idmapped(job_need(&job, "data.folder"), path, ids, true);
  close(ids);
}

// What crun said last, for people.
static void fail_with_log(const char *otherwise) {
  char text[4096];
  ssize_t size = file_read(crun_log, text, sizeof text);
  while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' ')) text[--size] = 0;
  char *line = size > 0 ? strrchr(text, '\n') : NULL;
  fail("crun: %s", size > 0 ? (line ? line + 1 : text) : otherwise);
}

static pid_t launch(void) {
  char *arguments[] = {
      (char *)job_need(&job, "crun"), "--root", (char *)job_need(&job, "crun.root"), "--cgroup-manager=cgroupfs",
      "--log", crun_log, "run", "--detach", "--bundle", (char *)bundle, "--pid-file", pid_file,
      (char *)job_need(&job, "id"), NULL};
  if (pipe2(out_pipe, O_CLOEXEC) != 0 || pipe2(error_pipe, O_CLOEXEC) != 0 || pipe2(life_line, O_CLOEXEC) != 0)
    fail("no pipe: %s", strerror(errno));
  report_cleanup = crun_delete;
  // Our end of the life line is never written to: it closes with us, and the sandbox ends.
  pid_t crun = spawn(arguments, life_line[0], out_pipe[1], error_pipe[1]);
  if (crun < 0) fail("no process: %s", strerror(errno));
  close(life_line[0]);
  close(out_pipe[1]);
  close(error_pipe[1]);
  int status;
  if (!wait_for(crun, &status, START_SECONDS * 1000)) {
    kill(-crun, SIGKILL);
    fail("crun did not start the sandbox within %d seconds", START_SECONDS);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_with_log("it failed without saying why");
  char text[32];
  if (file_read(pid_file, text, sizeof text) <= 0 || atoi(text) <= 1) fail("crun did not say which process it started");
  return atoi(text);
}

// Moves output to the log until the sandbox's first process ends; returns its status.
static int keep(pid_t pid, int signals) {
  struct pollfd polls[3] = {
      {.fd = signals, .events = POLLIN},
      {.fd = out_pipe[0], .events = POLLIN},
      {.fd = error_pipe[0], .events = POLLIN}};
  int status = 0, timeout = -1;
  bool ended = false;
  uint64_t deadline = 0;
  for (;;) {
    while (!ended) {
      // Others end here too: what crun left behind, what somebody ran in the sandbox.
      int other;
      pid_t dead = waitpid(-1, &other, WNOHANG);
      if (dead <= 0) break;
      if (dead != pid) continue;
      status = other;
      ended = true;
      deadline = now_microseconds() + DRAIN_MILLISECONDS * 1000;
    }
    if (ended) {
      uint64_t now = now_microseconds();
      if ((polls[1].fd < 0 && polls[2].fd < 0) || now >= deadline) return status;
      timeout = (int)((deadline - now) / 1000) + 1;
    }
    if (poll(polls, 3, timeout) < 0 && errno != EINTR) return status;
    if (polls[0].revents) {
      struct signalfd_siginfo info;
      while (read(signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGTERM && !ended) kill(pid, SIGTERM);
    }
    for (int i = 1; i < 3; i++)
      if (polls[i].fd >= 0 && polls[i].revents && !log_pump(i == 1 ? LOG_STDOUT : LOG_STDERR, polls[i].fd)) {
        close(polls[i].fd);
        polls[i].fd = -1;
      }
  }
}

static void write_end(int status, uint64_t started, const struct group_counters *counters) {
  char text[512];
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  snprintf(text, sizeof text,
           "{\"run\":%llu,\"code\":%d,\"signal\":%d,\"oomKills\":%llu,\"cpuNanoseconds\":%llu,\"memoryPeak\":%llu,"
           "\"started\":%llu,\"time\":%llu}\n",
           (unsigned long long)job_number(&job, "run"), number ? 128 + number : WEXITSTATUS(status), number,
           (unsigned long long)counters->oom_kills, (unsigned long long)counters->cpu_nanoseconds,
           (unsigned long long)counters->memory_peak, (unsigned long long)started,
           (unsigned long long)now_microseconds());
  file_replace(state, "exit", text);
}

static int shim(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  if (null > 2) close(null);
  if (chdir("/") != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("%s", strerror(errno));
  int signals = signals_open();
  lock_state();
  prepare_mounts();
  log_open(job_need(&job, "logs"), job_number(&job, "log.bytes"), (unsigned)job_number(&job, "log.files"));
  snprintf(crun_log, sizeof crun_log, "%s/crun.log", bundle);
  snprintf(pid_file, sizeof pid_file, "%s/pid", bundle);
  pid_t pid = launch();
  char text[512];
  uint64_t started = now_microseconds();
  snprintf(text, sizeof text,
           "{\"run\":%llu,\"boot\":\"%s\",\"shim\":%d,\"shimStart\":%llu,\"pid\":%d,\"pidStart\":%llu,\"time\":%llu}\n",
           (unsigned long long)job_number(&job, "run"), job_need(&job, "boot"), getpid(),
           (unsigned long long)process_start(getpid()), pid, (unsigned long long)process_start(pid),
           (unsigned long long)started);
  file_replace(state, "started", text);
  report_cleanup = NULL;
  report("ok\n");
  // Small while it waits: what the job held is in its place now.
  for (size_t i = 0; i < job.count; i++)
    if (strncmp(job.records[i].key, "file/", 5) == 0) explicit_bzero((void *)job.records[i].value, job.records[i].size);
  int status = keep(pid, signals);
  log_finish();
  struct group_counters counters;
  group_read(job_need(&job, "group"), &counters);
  crun_delete();
  // The storage is free again before anybody learns that the run is over.
  snprintf(text, sizeof text, "%s/data", bundle);
  umount2(text, 0);
  write_end(status, started, &counters);
  return 0;
}

int run_main(void) {
  job_read(&job, STDIN_FILENO);
  state = job_need(&job, "state");
  bundle = job_need(&job, "bundle");
  int answer[2];
  if (pipe2(answer, O_CLOEXEC) != 0) fail("no pipe: %s", strerror(errno));
  pid_t pid = fork();
  if (pid < 0) fail("no process: %s", strerror(errno));
  if (pid == 0) {
    setsid();
    close(answer[0]);
    report_fd = answer[1];
    _exit(shim());
  }
  close(answer[1]);
  char text[4096];
  size_t size = 0;
  for (;;) {
    ssize_t count = read(answer[0], text + size, sizeof text - 1 - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += (size_t)count;
  }
  text[size] = 0;
  report(size > 0 ? text : "error the shim ended without a word\n");
  return strncmp(text, "ok", 2) == 0 ? 0 : 1;
}

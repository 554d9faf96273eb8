// One command in a running sandbox. Frames on both sides: one byte of kind, four bytes of length (little-endian), the
// payload.
//   in:  'J' a job (first, once)   'i' input   'e' end of input   'w' window (u16 rows, u16 columns)   's' signal (u8)
//   out: 'o' output   'r' error output   'x' end (i32 code)   'f' failure (a sentence)
// The end of standard input means that whoever asked is gone: the command is killed.
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { CHUNK = 32768, BACKLOG = 4 * CHUNK, START_SECONDS = 30, DRAIN_MILLISECONDS = 200 };
enum { LONGEST_DRAIN = 3000000 };  // microseconds

static struct queue frames_in, to_client, to_command;
static int input = -1, output[2] = {-1, -1}, terminal = -1;
static pid_t command, group;
static bool input_ends;

// The last frame, written out whole even if the reader is slow.
static noreturn void finish(char kind, const void *bytes, size_t size) {
  frame_put(&to_client, kind, bytes, size);
  fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) & ~O_NONBLOCK);
  size_t done = 0;
  while (done < to_client.size) {
    ssize_t count = write(STDOUT_FILENO, to_client.bytes + done, to_client.size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += (size_t)count;
  }
  _exit(0);
}

static noreturn void finish_failed(const char *text) { finish('f', text, strlen(text)); }

static void finish_failed_by(const char *text) { finish_failed(text); }

static void kill_command(int number) {
  if (terminal >= 0) {
    pid_t foreground = tcgetpgrp(terminal);
    if (foreground > 1) kill(-foreground, number);
  }
  // The group is pinned by the command itself, which is not reaped yet: its number cannot be another's.
  if (group > 1) kill(-group, number);
  if (command > 1) kill(command, number);
}

// Nobody wants the command any more.
static noreturn void abandon(void) {
  kill_command(SIGKILL);
  _exit(0);
}

static void resize(unsigned rows, unsigned columns) {
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  if (terminal >= 0) ioctl(terminal, TIOCSWINSZ, &size);
}

static void start(const struct job *job) {
  const char *folder = job_need(job, "folder");
  mounts_private();
  mounts_hide_hybrid();
  // crun wants paths for what is nobody else's business: they exist in this namespace only.
  mounts_tmpfs(folder, "mode=0700,size=1m,nr_inodes=64");
  if (chdir(folder) != 0) finish_failed("no folder for the command");
  file_replace(".", "process.json", job_need(job, "process"));
  bool wants_terminal = job_get(job, "rows") != NULL;
  char *arguments[20] = {
      (char *)job_need(job, "crun"), "--root", (char *)job_need(job, "crun.root"), "--cgroup-manager=cgroupfs",
      "--log", "log", "exec", "--detach", "--pid-file", "pid", "--process", "process.json"};
  size_t count = 12;
  int listener = -1, in[2], out[2], error[2];
  if (wants_terminal) {
    listener = console_listen("console");
    if (listener < 0) finish_failed("no console socket");
    arguments[count++] = "--console-socket";
    arguments[count++] = "console";
  }
  arguments[count] = (char *)job_need(job, "id");
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0) finish_failed("no pipe");
  pid_t crun = spawn(arguments, in[0], out[1], error[1]);
  if (crun < 0) finish_failed("no process");
  close(in[0]), close(out[1]), close(error[1]);
  if (wants_terminal) {
    // crun sends it before it starts the command; if it fails instead, it ends, and so does the wait below.
    struct pollfd wait[1] = {{.fd = listener, .events = POLLIN}};
    int status, waited = 0;
    while (poll(wait, 1, 20) == 0 && waited++ < START_SECONDS * 50)
      if (waitpid(crun, &status, WNOHANG | WNOWAIT) == crun) break;
    if (wait[0].revents & POLLIN) terminal = console_receive(listener, START_SECONDS * 1000);
    // At once: the command may ask for it first of all.
    resize((unsigned)job_number(job, "rows"), (unsigned)job_number(job, "columns"));
    close(listener);
  }
  int status;
  char text[4096];
  if (!wait_for(crun, &status, START_SECONDS * 1000)) {
    kill(-crun, SIGKILL);
    finish_failed("crun did not start the command in time");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    ssize_t size = file_read("log", text, sizeof text);
    while (size > 0 && text[size - 1] == '\n') text[--size] = 0;
    finish_failed(size > 0 ? text : "crun could not start the command");
  }
  if (file_read("pid", text, sizeof text) <= 0 || (command = atoi(text)) <= 1)
    finish_failed("crun did not say which process it started");
  // crun may or may not give it a group of its own; ours it must not be.
  group = getpgid(command);
  if (group == getpgrp()) group = 0;
  if (wants_terminal) {
    if (terminal < 0) finish_failed("no terminal arrived");
    close(in[1]), close(out[0]), close(error[0]);
    input = fcntl(terminal, F_DUPFD_CLOEXEC, 3);
    output[0] = terminal;
  } else {
    input = in[1], output[0] = out[0], output[1] = error[0];
  }
  int all[] = {input, output[0], output[1], STDIN_FILENO, STDOUT_FILENO};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i] >= 0) fcntl(all[i], F_SETFL, fcntl(all[i], F_GETFL) | O_NONBLOCK);
}

static void close_input(void) {
  if (input < 0) return;
  // A terminal has no end of input: it has a character that means it.
  if (terminal >= 0) (void)!write(terminal, "\x04", 1);
  else close(input), input = -1;
}

static void handle_frame(char kind, const unsigned char *bytes, size_t size) {
  switch (kind) {
    case 'i':
      if (input >= 0 && !input_ends) queue_put(&to_command, bytes, size);
      break;
    case 'e':
      input_ends = true;
      if (to_command.size == 0) close_input();
      break;
    case 'w':
      if (size == 4) resize(bytes[0] | (unsigned)bytes[1] << 8, bytes[2] | (unsigned)bytes[3] << 8);
      break;
    case 's':
      if (size == 1 && bytes[0] >= 1 && bytes[0] <= 64) kill_command(bytes[0]);
      break;
  }
}

static void read_client(void) {
  char bytes[CHUNK];
  ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN))
    abandon();
  if (count > 0) queue_put(&frames_in, bytes, (size_t)count);
  for (size_t size; to_command.size < BACKLOG && (size = frame_whole(&frames_in)) > 0; queue_drop(&frames_in, size))
    handle_frame(frames_in.bytes[0], (unsigned char *)frames_in.bytes + 5, size - 5);
}

static void read_command(int which) {
  char bytes[CHUNK];
  ssize_t count = read(output[which], bytes, sizeof bytes);
  if (count > 0) frame_put(&to_client, which == 0 ? 'o' : 'r', bytes, (size_t)count);
  if (count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN))) return;
  if (output[which] != terminal) close(output[which]);
  output[which] = -1;
}

static void write_command(void) {
  ssize_t count = write(input, to_command.bytes, to_command.size);
  if (count > 0) queue_drop(&to_command, (size_t)count);
  if (count < 0 && errno != EINTR && errno != EAGAIN) {
    // It reads no more; what comes is dropped, as with a closed pipe.
    to_command.size = 0;
    if (terminal < 0) close(input), input = -1;
  }
  if (to_command.size == 0 && input_ends) close_input();
  // Frames that waited for room.
  for (size_t size; to_command.size < BACKLOG && (size = frame_whole(&frames_in)) > 0; queue_drop(&frames_in, size))
    handle_frame(frames_in.bytes[0], (unsigned char *)frames_in.bytes + 5, size - 5);
}

// Orphans of the command end here too. It itself stays unreaped to the end, so that its number stays its own.
static void reap_others(void) {
  for (;;) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 || info.si_pid == command) return;
    waitpid(info.si_pid, NULL, WNOHANG);
  }
}

static noreturn void serve(int signals) {
  uint64_t deadline = 0;
  int status = 0;
  for (;;) {
    bool room = to_client.size < BACKLOG;
    struct pollfd polls[6] = {
        {.fd = signals, .events = POLLIN},
        // Without POLLIN the kernel still tells of a client that is gone, even while its last input waits.
        {.fd = STDIN_FILENO, .events = to_command.size < BACKLOG ? POLLIN : 0},
        {.fd = to_client.size > 0 ? STDOUT_FILENO : -1, .events = POLLOUT},
        {.fd = room ? output[0] : -1, .events = POLLIN},
        {.fd = room ? output[1] : -1, .events = POLLIN},
        {.fd = to_command.size > 0 ? input : -1, .events = POLLOUT},
    };
    int timeout = -1;
    if (deadline) {
      uint64_t now = now_microseconds();
      if (output[0] < 0 && output[1] < 0 && to_client.size == 0) break;
      timeout = now >= deadline ? (room ? 0 : -1) : (int)((deadline - now) / 1000) + 1;
    }
    int ready = poll(polls, 6, timeout);
    if (ready < 0 && errno != EINTR) break;
    // What was there has been read. Something that the command left behind may hold its output open, or go on with it.
    if (deadline && room) {
      uint64_t now = now_microseconds();
      if ((now >= deadline && !polls[3].revents && !polls[4].revents) || now >= deadline + LONGEST_DRAIN) break;
    }
    if (polls[0].revents) {
      struct signalfd_siginfo signal_info;
      while (read(signals, &signal_info, sizeof signal_info) == sizeof signal_info)
        if (signal_info.ssi_signo == SIGTERM) abandon();
      // Looked at, not reaped: until the very end its number must stay its own.
      siginfo_t info = {0};
      if (!deadline && waitid(P_PID, (id_t)command, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == command)
        deadline = now_microseconds() + DRAIN_MILLISECONDS * 1000;
      reap_others();
    }
    if (polls[2].revents) {
      ssize_t count = write(STDOUT_FILENO, to_client.bytes, to_client.size);
      if (count > 0) queue_drop(&to_client, (size_t)count);
      if (count < 0 && errno != EINTR && errno != EAGAIN) abandon();
    }
    if (polls[1].revents & (POLLIN | POLLHUP | POLLERR)) {
      if (!(polls[1].revents & POLLIN) && polls[1].events == 0) abandon();
      read_client();
    }
    if (polls[3].revents) read_command(0);
    if (polls[4].revents) read_command(1);
    if (polls[5].revents) write_command();
  }
  if (waitpid(command, &status, WNOHANG) != command) status = 255 << 8;
  int32_t code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  finish('x', &code, sizeof code);
}

int exec_main(void) {
  struct job job;
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  report_fd = STDERR_FILENO;
  report_failure = finish_failed_by;
  int signals = signals_open();
  size_t size;
  while ((size = frame_whole(&frames_in)) == 0) {
    char bytes[CHUNK];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return 125;
    queue_put(&frames_in, bytes, (size_t)count);
  }
  if (frames_in.bytes[0] != 'J') return 125;
  job_parse(&job, frames_in.bytes + 5, size - 5);
  queue_drop(&frames_in, size);
  start(&job);
  while (to_command.size < BACKLOG && (size = frame_whole(&frames_in)) > 0) {
    handle_frame(frames_in.bytes[0], (unsigned char *)frames_in.bytes + 5, size - 5);
    queue_drop(&frames_in, size);
  }
  serve(signals);
}

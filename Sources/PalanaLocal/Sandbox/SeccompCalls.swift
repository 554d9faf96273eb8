import CSeccomp

/// Which system calls an agent has. Default deny: the first list is everything that ordinary programs use.
enum SeccompCalls {
  struct Rule {
    var name: String
    /// All must hold.
    var arguments: [scmp_arg_cmp]
  }

  static let allowed: [String] = [
    files, attributes, memory, processes, signals, time, sockets, events, misc,
  ].flatMap { $0.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init) }

  /// EPERM instead of "does not exist": programs that probe for these expect to be refused.
  static let denied = """
    unshare setns mount umount umount2 pivot_root chroot fsopen fsconfig fsmount fspick open_tree move_mount mount_setattr
    ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd bpf perf_event_open userfaultfd io_uring_setup io_uring_enter
    io_uring_register keyctl add_key request_key init_module finit_module delete_module kexec_load kexec_file_load reboot
    swapon swapoff acct quotactl quotactl_fd syslog sethostname setdomainname settimeofday clock_settime clock_adjtime
    adjtimex open_by_handle_at name_to_handle_at fanotify_init lookup_dcookie vhangup nfsservctl iopl ioperm
    modify_ldt memfd_secret
    """.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)

  private static let files = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 execve execveat faccessat faccessat2
    fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync flock fstat fstatfs fsync
    ftruncate futimesat getcwd getdents getdents64 inotify_add_watch inotify_init inotify_init1 inotify_rm_watch lchown
    link linkat lseek lstat mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2
    read readahead readlink readlinkat readv rename renameat renameat2 rmdir sendfile splice stat statfs statx symlink
    symlinkat sync sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes vmsplice write writev
    """
  private static let attributes = """
    fgetxattr flistxattr fremovexattr fsetxattr getxattr lgetxattr listxattr llistxattr lremovexattr lsetxattr
    removexattr setxattr
    """
  private static let memory = """
    brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock munlockall munmap
    pkey_alloc pkey_free pkey_mprotect process_madvise remap_file_pages map_shadow_stack mseal cachestat
    shmat shmctl shmdt shmget semctl semget semop semtimedop msgctl msgget msgrcv msgsnd
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink
    """
  private static let processes = """
    arch_prctl capget capset exit exit_group fork vfork getegid geteuid getgid getgroups getpgid getpgrp getpid getppid
    getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set landlock_add_rule
    landlock_create_ruleset landlock_restrict_self pidfd_open pidfd_send_signal prctl prlimit64 sched_getaffinity
    sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsuid setgid
    setgroups setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setuid set_robust_list
    get_robust_list set_tid_address set_thread_area get_thread_area getcpu rseq wait4 waitid waitpid futex futex_waitv
    futex_wake futex_wait futex_requeue
    """
  private static let signals = """
    kill tkill tgkill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4
    """
  private static let time = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time times timer_create
    timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
    """
  private static let sockets = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmsg send sendmmsg
    sendmsg sendto setsockopt shutdown
    """
  /// Not `io_setup` and its kin: the machine has one number of such events for everybody (`fs.aio-max-nr`), and one
  /// agent could take all. Programs do without.
  private static let events = """
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    pipe pipe2 poll ppoll pselect6 select _newselect
    """
  private static let misc = "getrandom sysinfo uname"

  /// Calls that are allowed for some arguments only; anything else falls to the default.
  static let conditional: [Rule] = threads + socketRules + terminal + personality

  /// clone without any namespace. clone3 keeps its flags in memory, where a filter cannot look: it is not listed, so it
  /// "does not exist" and C libraries use clone.
  private static let threads = [
    Rule(name: "clone", arguments: [Self.masked(0, 0x7e02_0000, 0)])
  ]

  /// Unix sockets, TCP, UDP and ping over IP, and the routing part of netlink. The kernel reads 32 bits of each
  /// argument: so do the comparisons, or garbage in the upper half would make the difference.
  private static let socketRules: [Rule] =
    [
      Rule(name: "socket", arguments: [masked(0, low, 1)]),
      Rule(name: "socket", arguments: [masked(0, low, 16), masked(2, low, 0)]),
      Rule(name: "socketpair", arguments: [masked(0, low, 1)]),
    ]
    + [2, 10].flatMap { family in
      [(1, [0, 6]), (2, [0, 1, 17, 58])].flatMap { type, protocols in
        protocols.map { number in
          Rule(
            name: "socket",
            arguments: [masked(0, low, family), masked(1, 0xf, UInt64(type)), masked(2, low, UInt64(number))])
        }
      }
    }

  /// Every ioctl but TIOCSTI (0x5412) and TIOCLINUX (0x541c), which push input into a terminal and so reach whoever
  /// sits at it. A rule can only say what is allowed, and must not look at the upper half of the argument (the kernel
  /// does not): so either one of the upper bits differs from 0x541x, or it is 0x541x with another last digit.
  private static let terminal: [Rule] =
    (4..<32).map { bit in
      Rule(name: "ioctl", arguments: [masked(1, 1 << bit, ~0x5410 & (1 << bit))])
    }
    + (0..<16).filter { $0 != 0x2 && $0 != 0xc }.map { digit in
      Rule(name: "ioctl", arguments: [masked(1, low, 0x5410 | digit)])
    }

  /// The execution domains of Linux, and reading it; not the ones that weaken address randomisation for a setuid
  /// program.
  private static let personality = [0, 0x8, 0x20000, 0x20008, 0xffff_ffff].map {
    Rule(name: "personality", arguments: [masked(0, low, $0)])
  }

  private static let low: UInt64 = 0xffff_ffff

  private static func masked(_ argument: UInt32, _ mask: UInt64, _ value: UInt64) -> scmp_arg_cmp {
    scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
  }
}

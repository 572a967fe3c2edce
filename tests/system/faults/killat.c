/* SPDX-License-Identifier: Apache-2.0 */

/* Kills a program as it enters its Nth system call.
 *
 *     killat N PID COMMAND...     PID's first thread, counted from the moment
 *                                 that it accepts a connection, while COMMAND
 *                                 runs and until PID has rested for a moment
 *     killat N exec COMMAND...    COMMAND, from its first instruction until
 *                                 it has rested, and then it is killed
 *
 * COMMAND's output is its own.  At the end one more line says what was:
 * "killed N SYSCALL" or "ended COUNT", and COMMAND's exit code.  N may
 * be 0, or beyond all: then nothing but the counting is done to PID.
 *
 * The call is not carried out: what was done is what N - 1 calls do.
 * strace(1) cannot do that: it counts the calls of each name by themselves.
 */

#define _GNU_SOURCE 1
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/ptrace.h>

/* A start waits for the switch and its database. */
enum { REST_MS = 30, START_REST_MS = 200 };

struct victim {
    pid_t pid;
    long int limit;                 /* N. */
    long int count;                 /* Of system calls so far. */
    bool counting;
    bool gone;
    int rest_ms;                    /* Without a system call: it rests. */
    uint64_t call;                  /* The one that it is in. */
};

/* Whether it came to the end of its life. */
static bool
handle_syscall(struct victim *v)
{
    struct ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, v->pid, sizeof info, &info) < 0) {
        return false;               /* It is being killed. */
    }
    if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        if ((v->call == SYS_accept || v->call == SYS_accept4)
            && !info.exit.is_error) {
            v->counting = true;
        }
    } else if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        v->call = info.entry.nr;
        if (v->counting && ++v->count == v->limit) {
            kill(v->pid, SIGKILL);
            return true;
        }
    }
    return false;
}

/* Of a stop, as wait(2) tells it. */
static void
handle_stop(struct victim *v, int status)
{
    if (!WIFSTOPPED(status)) {
        v->gone = true;
        return;
    }
    int sig = WSTOPSIG(status);
    int event = status >> 16;
    if (sig == (SIGTRAP | 0x80)) {
        if (handle_syscall(v)) {
            return;
        }
        sig = 0;
    } else if (event || sig == SIGTRAP) {
        sig = 0;
    }
    (void) ptrace(PTRACE_SYSCALL, v->pid, 0, sig);
}

static pid_t
start(char *argv[], bool traced)
{
    pid_t pid = fork();
    if (pid < 0) {
        err(2, "fork");
    } else if (!pid) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (traced) {
            raise(SIGSTOP);
        }
        execvp(argv[0], argv);
        err(127, "%s", argv[0]);
    }
    return pid;
}

static void
seize(struct victim *v)
{
    if (ptrace(PTRACE_SEIZE, v->pid, 0, PTRACE_O_TRACESYSGOOD) < 0
        || ptrace(PTRACE_INTERRUPT, v->pid, 0, 0) < 0) {
        err(2, "process %d", v->pid);
    }
}

/* Lets it go on by itself: only a stopped one can be let go. */
static void
release(struct victim *v)
{
    int status;
    (void) ptrace(PTRACE_INTERRUPT, v->pid, 0, 0);
    if (waitpid(v->pid, &status, __WALL) == v->pid && WIFSTOPPED(status)) {
        /* Be it on its way out of a system call, which it then repeats. */
        (void) ptrace(PTRACE_DETACH, v->pid, 0, 0);
    } else {
        v->gone = true;
    }
}

/* Until it is dead, or the command has ended and it rests. */
static int
watch(struct victim *v, pid_t command, int signals)
{
    int code = -1, status;
    for (;;) {
        pid_t pid;
        while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
            if (pid == v->pid) {
                handle_stop(v, status);
            } else if (pid == command && !WIFSTOPPED(status)) {
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
            }
        }
        bool over = code >= 0 || command == v->pid;
        if (v->gone && over) {
            return code;
        }
        struct pollfd pfd = { signals, POLLIN, 0 };
        if (!poll(&pfd, 1, over ? v->rest_ms : -1)) {
            return code;
        }
        struct signalfd_siginfo ignore;
        if (pfd.revents && read(signals, &ignore, sizeof ignore) < 0) {
            err(2, "signalfd");
        }
    }
}

int
main(int argc, char *argv[])
{
    if (argc < 4) {
        errx(2, "usage: killat N PID|exec COMMAND...");
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);

    bool exec = !strcmp(argv[2], "exec");
    struct victim v = {
        .limit = atol(argv[1]),
        .counting = exec,
        .rest_ms = exec ? START_REST_MS : REST_MS,
    };
    pid_t command = 0;
    int code;
    if (exec) {
        v.pid = start(argv + 3, true);
        waitpid(v.pid, NULL, WUNTRACED);
        seize(&v);
        kill(v.pid, SIGCONT);
        command = v.pid;
    } else {
        v.pid = atoi(argv[2]);
        seize(&v);
        int status;
        if (waitpid(v.pid, &status, __WALL) == v.pid) {
            handle_stop(&v, status);
        }
        command = start(argv + 3, false);
    }
    code = watch(&v, command, signals);
    if (v.limit && v.count >= v.limit) {
        printf("killed %ld %d %d\n", v.count, (int) v.call, code);
    } else if (v.gone) {
        printf("died %ld %d %d\n", v.count, (int) v.call, code);
    } else {
        if (exec) {
            kill(v.pid, SIGKILL);
        } else {
            release(&v);
        }
        printf("ended %ld %d\n", v.count, code);
    }
    return 0;
}

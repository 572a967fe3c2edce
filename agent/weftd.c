/* SPDX-License-Identifier: Apache-2.0 */

/* weftd: the daemon's main. */

#include <config.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include "agent/agent.h"
#include "agent/control.h"
#include "agent/control-socket.h"
#include "agent/loop.h"
#include "agent/notify.h"
#include "agent/privileges.h"
#include "daemon.h"
#include "fatal-signal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(weftd);

/* How long `weftd --detach` waits for the switch before it leaves the start
 * to the background. */
enum { START_MAX_MS = 1000 };

enum { EXIT_USAGE = 2 };

enum { FDS_WANTED = 4096 };

struct signals {
    struct event *term, *interrupt, *hup;
    bool stop;
    struct agent *agent;            /* Reads its list again at SIGHUP. */
    struct notify *notify;          /* Is told. */
};

static void
handle_signal(evutil_socket_t number, short what OVS_UNUSED, void *s_)
{
    struct signals *s = s_;
    if (number == SIGHUP) {
        notify_reloading(s->notify);
        vlog_reopen_log_file();
        agent_reread(s->agent);
    } else {
        s->stop = true;
    }
}

static void
signals_init(struct signals *s, struct event_base *base, struct agent *agent,
             struct notify *notify)
{
    s->stop = false;
    s->agent = agent;
    s->notify = notify;
    s->term = evsignal_new(base, SIGTERM, handle_signal, s);
    s->interrupt = evsignal_new(base, SIGINT, handle_signal, s);
    s->hup = evsignal_new(base, SIGHUP, handle_signal, s);
    event_add(s->term, NULL);
    event_add(s->interrupt, NULL);
    event_add(s->hup, NULL);
}

static void
signals_finish(struct signals *s)
{
    event_free(s->term);
    event_free(s->interrupt);
    event_free(s->hup);
}

/* A connection to the control socket takes three file descriptors, and an
 * attach that waits one more. */
static void
raise_fd_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < FDS_WANTED) {
        limit.rlim_cur = MIN(limit.rlim_max, FDS_WANTED);
        if (setrlimit(RLIMIT_NOFILE, &limit)) {
            VLOG_WARN("cannot have more than the usual number of open files: "
                      "%s", ovs_strerror(errno));
        }
    }
}

/* Has the start come to an end, good or not? */
static bool
is_started(const struct agent *a, long long int since)
{
    return a->contended_since == LLONG_MAX
           && (ofswitch_synced(a->sw) || time_msec() >= since + START_MAX_MS);
}

/* Status 2 says that the usage was wrong, and nobody starts weftd again.  The
 * scanner in libnftables says it, too, when there is no memory. */
static void
exit_otherwise(int status, void *aux OVS_UNUSED)
{
    if (status == EXIT_USAGE) {
        abort();
    }
}

int
main(int argc, char *argv[])
{
    struct settings settings;
    ovs_set_program_name("weftd", WEFT_VERSION);
    settings_init(&settings, argc, argv);
    on_exit(exit_otherwise, NULL);
    fatal_ignore_sigpipe();
    raise_fd_limit();

    daemonize_start(true);
    struct control_socket *socket = control_socket_create(settings.unixctl,
                                                          settings.gid);
    if (!socket) {
        exit(EXIT_FAILURE);
    }
    /* The log, the pid file and the control socket are made, nothing has been
     * read, and there are no threads yet. */
    privileges_drop();
    struct event_base *base = loop_create();
    struct agent agent;
    struct signals signals;
    agent_init(&agent, &settings, base);
    struct notify *notify = notify_create(base, &agent);
    signals_init(&signals, base, &agent, notify);
    struct control *control = control_create(&agent);
    VLOG_INFO("weftd %s, bridge %s, database %s", WEFT_VERSION,
              settings.bridge, settings.db);

    long long int since = time_msec();
    bool started = false;
    while (!signals.stop && !control_exiting(control)) {
        loop_run(base);
        control_socket_run(socket);
        agent_run(&agent);
        control_run(control);
        control_socket_answer(socket);
        notify_run(notify);
        if (!started && is_started(&agent, since)) {
            started = true;
            daemonize_complete();
        }
        if (!started) {
            poll_timer_wait_until(since + START_MAX_MS);
        }

        agent_wait(&agent);
        control_socket_wait(socket);
        control_wait(control);
        notify_wait(notify);
        loop_wait(base);
        if (signals.stop || control_exiting(control)) {
            poll_immediate_wake();
        }
        poll_block();
    }

    notify_stopping(notify);
    VLOG_INFO("stopping; what is attached stays");
    control_destroy(control);
    agent_finish(&agent);
    control_socket_destroy(socket);
    signals_finish(&signals);
    notify_destroy(notify);
    loop_destroy(base);
    settings_finish(&settings);
    return 0;
}

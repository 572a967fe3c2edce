/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/control-client.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

enum {
    IDLE_MS = 60 * 1000,            /* Between requests. */
    REQUEST_MS = 5 * 1000,          /* From a request's first byte to its
                                     * last. */
    REFUSED_MS = 1000,              /* The same, of who is not let in. */
    ANSWER_MS = 30 * 1000,          /* For the client to read an answer. */
    CHUNK = 65536,                  /* Bytes at a time. */
    CHUNKS_MAX = 8,                 /* At once, for the others' sake. */
};

static bool read_request(struct control_client *, size_t spare);
static bool take_bytes(struct control_client *, const char *, size_t,
                       size_t spare);
static bool scan(struct control_client *);
static char *check_request(struct control_client *, struct json **idp);
static struct json *parse_request(struct control_client *);
static bool pass_request(struct control_client *);
static bool has_hung_up(const struct control_client *);
static bool send_answer(struct control_client *);
static bool end_of_answer(struct control_client *);
static void send_error(struct control_client *, const char *, struct json *);

struct control_client *
control_client_create(int fd, unsigned int uid, enum control_class class,
                      char *refusal, const char *unixctl)
{
    struct control_client *c = xzalloc(sizeof *c);
    c->fd = fd;
    c->uid = uid;
    c->class = class;
    c->refusal = refusal;
    c->unixctl = unixctl;
    c->state = CLIENT_READING;
    ds_init(&c->in);
    ds_init(&c->out);
    c->inner = -1;
    c->deadline = time_msec() + (refusal ? REFUSED_MS : IDLE_MS);
    return c;
}

void
control_client_destroy(struct control_client *c)
{
    if (!c) {
        return;
    }
    close(c->fd);
    if (c->inner >= 0) {
        close(c->inner);
    }
    ds_destroy(&c->in);
    ds_destroy(&c->out);
    json_destroy(c->id);
    free(c->refusal);
    free(c);
}

bool
control_client_run(struct control_client *c, size_t spare)
{
    if (c->state == CLIENT_READING && !read_request(c, spare)) {
        return false;
    }
    return c->state != CLIENT_PASSING || pass_request(c);
}

bool
control_client_answer(struct control_client *c)
{
    if (c->state != CLIENT_ANSWERING) {
        return true;
    }
    for (int i = 0; i < CHUNKS_MAX; i++) {
        if (!send_answer(c)) {
            return false;
        } else if (c->out.length) {
            return time_msec() < c->deadline;
        }
        ds_reserve(&c->out, CHUNK);
        ssize_t n = recv(c->inner, c->out.string, CHUNK, MSG_DONTWAIT);
        if (n > 0) {
            c->out.length = n;
            c->answered = true;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            return !has_hung_up(c);
        } else {
            return end_of_answer(c);
        }
    }
    return true;
}

void
control_client_wait(const struct control_client *c)
{
    switch (c->state) {
    case CLIENT_READING:
        if (c->scanned < c->in.length) {
            poll_immediate_wake();
        }
        poll_fd_wait(c->fd, POLLIN);
        break;
    case CLIENT_PASSING:
        /* Without a connection, unixctl has others to accept first, and wakes
         * up for them. */
        if (c->inner >= 0) {
            poll_fd_wait(c->inner, POLLOUT);
        }
        break;
    case CLIENT_ANSWERING:
        if (c->out.length) {
            poll_fd_wait(c->fd, POLLOUT);
        } else {
            poll_fd_wait(c->inner, POLLIN);
            poll_fd_wait(c->fd, 0);     /* That it hangs up, if it does. */
        }
        break;
    }
    if (c->deadline != LLONG_MAX) {
        poll_timer_wait_until(c->deadline);
    }
}

void
control_client_refuse(struct control_client *c, const char *why)
{
    send_error(c, why, NULL);
}

/* Reads until a request is whole.  Deadlines are for who lets us wait: never
 * for what has come, however late we look. */
static bool
read_request(struct control_client *c, size_t spare)
{
    char bytes[CHUNK];
    if (c->scanned < c->in.length && !scan(c)) {
        return false;               /* What came behind the one before. */
    }
    for (int i = 0; i < CHUNKS_MAX && c->state == CLIENT_READING; i++) {
        ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) {
            if (!take_bytes(c, bytes, n, spare)) {
                return false;
            }
        } else if (!n || (errno != EAGAIN && errno != EINTR)) {
            return false;           /* The end, or a broken connection. */
        } else if (errno == EAGAIN) {
            if (time_msec() < c->deadline) {
                return true;
            }
            if (c->refusal) {
                send_error(c, c->refusal, NULL);
            } else if (c->in.length) {
                send_error(c, "the request did not come to its end in time",
                           NULL);
            }
            return false;
        }
    }
    return true;
}

static bool
take_bytes(struct control_client *c, const char *bytes, size_t n, size_t spare)
{
    size_t max = (c->refusal ? CONTROL_REQUEST_SMALL
                  : CONTROL_REQUEST_SMALL
                    + MIN(spare, CONTROL_REQUEST_MAX - CONTROL_REQUEST_SMALL));
    if (c->in.length + n > max) {
        send_error(c, (c->refusal ? c->refusal
                       : max < CONTROL_REQUEST_MAX
                       ? "weftd has too many large requests now: try again"
                       : "the request is too large"), NULL);
        return false;
    }
    if (!c->in.length && !c->refusal) {
        c->deadline = time_msec() + REQUEST_MS;
    }
    ds_put_buffer(&c->in, bytes, n);
    return scan(c);
}

/* Looks at what it has not seen of 'in'. */
static bool
scan(struct control_client *c)
{
    c->scanned += jsontext_feed(&c->text, c->in.string + c->scanned,
                                c->in.length - c->scanned);
    struct json *id = NULL;
    char *error = NULL;
    switch (c->text.state) {
    case JSONTEXT_BLANK:
        /* It has not begun; a newline at the end of the one before is none of
         * its bytes. */
        ds_clear(&c->in);
        c->scanned = 0;
        if (!c->refusal) {
            c->deadline = time_msec() + IDLE_MS;
        }
        return true;
    case JSONTEXT_INSIDE:
        return true;
    case JSONTEXT_NO_OBJECT:
        error = xstrdup("not a JSON-RPC request");
        break;
    case JSONTEXT_TOO_MUCH:
        error = xstrdup("the request is too deep or has too many parts");
        break;
    case JSONTEXT_WHOLE:
        error = check_request(c, &id);
        break;
    }
    if (!error && !c->refusal) {
        c->state = CLIENT_PASSING;
        c->deadline = LLONG_MAX;
    } else {
        send_error(c, c->refusal ? c->refusal : error, id);
    }
    bool passes = c->state == CLIENT_PASSING;
    json_destroy(c->id);
    c->id = id;
    free(error);
    return passes;
}

/* Is the whole object of 'in' a request?  NULL and its id, or an owned
 * message. */
static char *
check_request(struct control_client *c, struct json **idp)
{
    struct json *json = parse_request(c);
    if (json->type != JSON_OBJECT) {    /* Then it is a string: why. */
        char *error = xasprintf("not a JSON-RPC request: %.200s",
                                json_string(json));
        json_destroy(json);
        return error;
    }
    struct jsonrpc_msg *msg;
    char *error = NULL;
    char *why = jsonrpc_msg_from_json(json, &msg);
    if (why) {
        error = xasprintf("not a JSON-RPC request: %.200s", why);
    } else if (msg->type != JSONRPC_REQUEST) {
        error = xasprintf("not a JSON-RPC request: it is a %s",
                          jsonrpc_msg_type_to_string(msg->type));
    } else {
        *idp = json_clone(msg->id);
    }
    free(why);
    jsonrpc_msg_destroy(msg);
    return error;
}

static struct json *
parse_request(struct control_client *c)
{
    char *end = &c->in.string[c->scanned];
    char behind = *end;             /* Of the request after this. */
    *end = '\0';
    struct json *json = (strlen(c->in.string) == c->scanned
                         ? json_from_string(c->in.string)
                         : json_string_create("null byte"));
    *end = behind;
    return json;
}

/* An fd, or a negative errno. */
static int
connect_inside(const struct control_client *c)
{
    /* unixctl will need one more, and would not rest until it has it. */
    int spare = dup(c->fd);
    if (spare < 0) {
        return -errno;
    }
    int fd = make_unix_socket(SOCK_STREAM, true, NULL, c->unixctl);
    close(spare);
    return fd;
}

static bool
pass_request(struct control_client *c)
{
    if (c->inner < 0) {
        int fd = connect_inside(c);
        if (fd == -EAGAIN) {
            return true;            /* It has not accepted those before. */
        } else if (fd < 0) {
            char *why = xasprintf("weftd cannot take requests now: %s",
                                  ovs_strerror(-fd));
            send_error(c, why, c->id);
            free(why);
            return false;
        }
        c->inner = fd;
    }
    while (c->passed < c->scanned) {
        ssize_t n = send(c->inner, c->in.string + c->passed,
                         c->scanned - c->passed, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        c->passed += n;
    }
    (void) shutdown(c->inner, SHUT_WR);     /* If it is broken, we hear. */

    size_t rest = c->in.length - c->scanned;
    char *behind = rest ? xmemdup(c->in.string + c->scanned, rest) : NULL;
    ds_destroy(&c->in);             /* Gives a large one's memory back. */
    ds_init(&c->in);
    if (rest) {
        ds_put_buffer(&c->in, behind, rest);
    }
    free(behind);
    c->scanned = c->passed = 0;
    c->text = (struct jsontext) { .state = JSONTEXT_BLANK };
    c->answered = false;
    c->state = CLIENT_ANSWERING;
    return true;
}

/* Has nobody an ear for the answer any more?  Who only has no more to say
 * still has. */
static bool
has_hung_up(const struct control_client *c)
{
    struct pollfd p = { .fd = c->fd };
    return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static bool
send_answer(struct control_client *c)
{
    while (c->sent < c->out.length) {
        ssize_t n = send(c->fd, c->out.string + c->sent,
                         c->out.length - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            c->sent += n;
        } else if (errno == EAGAIN) {
            if (c->deadline == LLONG_MAX) {
                c->deadline = time_msec() + ANSWER_MS;
            }
            return true;
        } else if (errno != EINTR) {
            return false;
        }
    }
    c->sent = 0;
    ds_clear(&c->out);
    return true;
}

/* Then the client may ask again. */
static bool
end_of_answer(struct control_client *c)
{
    close(c->inner);
    c->inner = -1;
    ds_destroy(&c->out);
    ds_init(&c->out);
    c->state = CLIENT_READING;
    c->deadline = time_msec() + (c->in.length ? REQUEST_MS : IDLE_MS);
    return c->answered;
}

/* What is not read at once, because the client does not read at all, is
 * lost.  'why' may quote what came. */
static void
send_error(struct control_client *c, const char *why, struct json *id)
{
    char *line = xasprintf("%s\n", why);
    for (char *p = line; p[1]; p++) {
        *p = isascii(*p) && isprint(*p) ? *p : '?';
    }
    struct json *json = json_object_create();
    json_object_put(json, "error", json_string_create_nocopy(line));
    json_object_put(json, "id", id ? json_clone(id) : json_null_create());
    json_object_put(json, "result", json_null_create());
    char *text = json_to_string(json, 0);
    json_destroy(json);
    ssize_t n OVS_UNUSED = send(c->fd, text, strlen(text),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    free(text);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* scale_vtep: a peer that is only a UDP socket.  It sees what comes out of
 * the tunnel to any address of its host, tells when the first frame for a
 * MAC arrived, and sends back what scale_probe wants back.  scale.py runs it.
 *
 *     scale_vtep           (commands on standard input)
 *
 *     watch MAC            -> first MAC NANOSECONDS, once a frame is there
 *     clear                forgets what was counted -> cleared
 *     count                of the frames to be sent back, since then:
 *                          -> counted FRAMES LONGEST-SILENCE-NANOSECONDS
 *     strangers            what else came, such as BFD -> strangers PACKETS
 *
 * Times are CLOCK_MONOTONIC.  No library. */

#define _GNU_SOURCE 1
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "scale_frame.h"

enum { VXLAN_PORT = 4789 };

struct vxlan {
    uint8_t header[8];          /* Flags and VNI, sent back as they came. */
    struct scale_frame frame;
} __attribute__((packed));

static int sock;
static bool watching;
static uint8_t watched[6];
static uint64_t n_counted, n_strangers;
static int64_t last, silence;

static void
die(const char *what)
{
    fprintf(stderr, "scale_vtep: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
send_back(const struct vxlan *got, const struct sockaddr_in *to)
{
    const struct scale_frame *f = &got->frame;
    struct vxlan v;
    memcpy(v.header, got->header, sizeof v.header);
    scale_frame_init(&v.frame, f->eth.ether_dhost, f->eth.ether_shost,
                     f->ip.daddr, f->ip.saddr);
    v.frame.body = f->body;
    struct sockaddr_in address = *to;
    address.sin_port = htons(VXLAN_PORT);
    (void) !sendto(sock, &v, sizeof v, MSG_DONTWAIT,
                   (struct sockaddr *) &address, sizeof address);
}

static void
handle(const struct vxlan *v, size_t n, const struct sockaddr_in *from)
{
    if (n < sizeof *v
        || !scale_frame_is_ours(&v->frame, n - sizeof v->header)) {
        n_strangers++;
        return;
    }
    int64_t now = scale_now();
    const uint8_t *to = v->frame.eth.ether_dhost;
    if (watching && !memcmp(to, watched, 6)) {
        watching = false;
        printf("first %02x:%02x:%02x:%02x:%02x:%02x %lld\n", to[0], to[1],
               to[2], to[3], to[4], to[5], (long long) now);
    }
    if (v->frame.body.back) {
        n_counted++;
        silence = last && now - last > silence ? now - last : silence;
        last = now;
        send_back(v, from);
    }
}

static void
receive(void)
{
    union {
        struct vxlan vxlan;
        uint8_t bytes[2048];
    } buffer;
    struct sockaddr_in from;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(sock, &buffer, sizeof buffer, MSG_DONTWAIT,
                             (struct sockaddr *) &from, &size);
        if (n < 0) {
            return;
        }
        handle(&buffer.vxlan, n, &from);
    }
}

static void
handle_command(const char *line)
{
    if (!strncmp(line, "watch ", 6)) {
        line += 6;
        watching = scale_parse_mac(&line, watched);
    } else if (!strcmp(line, "clear")) {
        n_counted = 0;
        last = silence = 0;
        puts("cleared");
    } else if (!strcmp(line, "count")) {
        printf("counted %llu %lld\n", (unsigned long long) n_counted,
               (long long) silence);
    } else if (!strcmp(line, "strangers")) {
        printf("strangers %llu\n", (unsigned long long) n_strangers);
    } else {
        fprintf(stderr, "scale_vtep: no such command: %s\n", line);
        exit(1);
    }
}

int
main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(VXLAN_PORT),
    };
    if (sock < 0
        || bind(sock, (struct sockaddr *) &address, sizeof address)) {
        die("port 4789");
    }
    puts("ready");
    for (;;) {
        struct pollfd fds[] = {
            { .fd = STDIN_FILENO, .events = POLLIN },
            { .fd = sock, .events = POLLIN },
        };
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            die("poll");
        }
        if (fds[1].revents) {
            receive();
        }
        if (fds[0].revents && !scale_read_commands(handle_command)) {
            return 0;
        }
    }
}

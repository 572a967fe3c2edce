/* SPDX-License-Identifier: Apache-2.0 */

/* scale_probe: from inside an endpoint's network namespace, keeps sending
 * frames to another endpoint of its network; scale.py runs it.  At the other
 * end of the tunnel is scale_vtep.
 *
 *     scale_probe IFNAME OWN-IPV4      (commands on standard input)
 *
 *     seek MAC IPV4      a frame every 0.2 ms, and an ARP request for the
 *                        address every 1 ms until the first answer:
 *                        -> arp IPV4 NANOSECONDS
 *     stream MAC IPV4    a frame every 1 ms, which scale_vtep sends back
 *     stop               -> stopped SENT BACK LONGEST-SILENCE-NANOSECONDS
 *                        (the last two of what came back)
 *
 * Times are CLOCK_MONOTONIC.  Frames are made here, the MAC included, so that
 * no neighbour cache stands between two of them.  No library. */

#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "scale_frame.h"

#define SEEK_NS INT64_C(200000)
#define STREAM_NS INT64_C(1000000)
#define ARP_NS INT64_C(1000000)

enum mode { M_IDLE, M_SEEK, M_STREAM };

static int sock;
static uint8_t own_mac[6];
static uint32_t own_ip;         /* Network byte order, as 'to_ip'. */
static uint8_t to_mac[6];
static uint32_t to_ip;
static enum mode mode;
static int arp_open;            /* Not answered yet. */
static int64_t next_send, next_arp, last_back, silence;
static uint64_t n_sent, n_back;

static void
die(const char *what)
{
    fprintf(stderr, "scale_probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
send_frame(void)
{
    struct scale_frame f;
    scale_frame_init(&f, own_mac, to_mac, own_ip, to_ip);
    f.body.seq = n_sent++;
    f.body.back = mode == M_STREAM;
    /* A full queue is a lost frame, and is counted as one. */
    (void) !send(sock, &f, sizeof f, MSG_DONTWAIT);
}

static void
send_arp(void)
{
    struct scale_arp a;
    memset(&a, 0, sizeof a);
    memset(a.eth.ether_dhost, 0xff, 6);
    memcpy(a.eth.ether_shost, own_mac, 6);
    a.eth.ether_type = htons(ETHERTYPE_ARP);
    a.arp.ea_hdr.ar_hrd = htons(ARPHRD_ETHER);
    a.arp.ea_hdr.ar_pro = htons(ETHERTYPE_IP);
    a.arp.ea_hdr.ar_hln = 6;
    a.arp.ea_hdr.ar_pln = 4;
    a.arp.ea_hdr.ar_op = htons(ARPOP_REQUEST);
    memcpy(a.arp.arp_sha, own_mac, 6);
    memcpy(a.arp.arp_spa, &own_ip, 4);
    memcpy(a.arp.arp_tpa, &to_ip, 4);
    (void) !send(sock, &a, sizeof a, MSG_DONTWAIT);
}

static void
send_due(int64_t now)
{
    if (mode != M_IDLE && now >= next_send) {
        send_frame();
        /* What was missed is made up for: so many a second it shall be. */
        next_send += mode == M_SEEK ? SEEK_NS : STREAM_NS;
    }
    if (arp_open && now >= next_arp) {
        send_arp();
        next_arp = now + ARP_NS;
    }
}

static void
handle(const void *data, size_t n, int64_t now)
{
    const struct scale_arp *a = data;
    const struct scale_frame *f = data;
    if (n >= sizeof *a && a->eth.ether_type == htons(ETHERTYPE_ARP)) {
        if (arp_open && a->arp.ea_hdr.ar_op == htons(ARPOP_REPLY)
            && !memcmp(a->arp.arp_spa, &to_ip, 4)) {
            char text[INET_ADDRSTRLEN];
            arp_open = 0;
            printf("arp %s %lld\n", inet_ntop(AF_INET, &to_ip, text,
                                              sizeof text), (long long) now);
        }
    } else if (mode == M_STREAM && scale_frame_is_ours(f, n)
               && !memcmp(f->eth.ether_dhost, own_mac, 6)
               && !memcmp(f->eth.ether_shost, to_mac, 6)) {
        n_back++;
        silence = now - last_back > silence ? now - last_back : silence;
        last_back = now;
    }
}

static void
receive(void)
{
    union {
        struct scale_frame frame;
        struct scale_arp arp;
        uint8_t bytes[2048];
    } buffer;
    ssize_t n;
    while ((n = recv(sock, &buffer, sizeof buffer, MSG_DONTWAIT)) >= 0) {
        handle(&buffer, n, scale_now());
    }
}

static void
begin(enum mode new, const char *words)
{
    char address[64];
    if (!scale_parse_mac(&words, to_mac) || sscanf(words, "%63s", address) != 1
        || inet_pton(AF_INET, address, &to_ip) != 1) {
        fprintf(stderr, "scale_probe: not MAC IPV4: %s\n", words);
        exit(1);
    }
    mode = new;
    arp_open = new == M_SEEK;
    n_sent = n_back = 0;
    silence = 0;
    next_send = next_arp = last_back = scale_now();
}

static void
handle_command(const char *line)
{
    if (!strncmp(line, "seek ", 5)) {
        begin(M_SEEK, line + 5);
    } else if (!strncmp(line, "stream ", 7)) {
        begin(M_STREAM, line + 7);
    } else if (!strcmp(line, "stop")) {
        if (mode == M_STREAM && scale_now() - last_back > silence) {
            silence = scale_now() - last_back;
        }
        mode = M_IDLE;
        arp_open = 0;
        printf("stopped %llu %llu %lld\n", (unsigned long long) n_sent,
               (unsigned long long) n_back, (long long) silence);
    } else {
        fprintf(stderr, "scale_probe: no such command: %s\n", line);
        exit(1);
    }
}

static void
open_socket(const char *ifname)
{
    sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (sock < 0) {
        die("socket");
    }
    struct ifreq ifr;
    memset(&ifr, 0, sizeof ifr);
    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", ifname);
    if (ioctl(sock, SIOCGIFHWADDR, &ifr)) {
        die(ifname);
    }
    memcpy(own_mac, ifr.ifr_hwaddr.sa_data, 6);
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = if_nametoindex(ifname),
    };
    if (bind(sock, (struct sockaddr *) &address, sizeof address)) {
        die("bind");
    }
    int one = 1;                /* Not its own frames. */
    if (setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
                   sizeof one)) {
        die("PACKET_IGNORE_OUTGOING");
    }
}

int
main(int argc, char *argv[])
{
    if (argc != 3 || inet_pton(AF_INET, argv[2], &own_ip) != 1) {
        fprintf(stderr, "usage: scale_probe IFNAME OWN-IPV4\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_socket(argv[1]);
    for (;;) {
        send_due(scale_now());
        struct pollfd fds[] = {
            { .fd = STDIN_FILENO, .events = POLLIN },
            { .fd = sock, .events = POLLIN },
        };
        int64_t left = next_send - scale_now();
        left = left > 0 ? left : 0;
        struct timespec wait = { left / 1000000000, left % 1000000000 };
        if (ppoll(fds, 2, mode == M_IDLE ? NULL : &wait, NULL) < 0
            && errno != EINTR) {
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

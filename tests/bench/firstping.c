/* SPDX-License-Identifier: Apache-2.0 */

/* firstping: from inside a network namespace, asks addresses for an echo many
 * times a second and tells when the first answer came, or the last one.
 *
 *     firstping IFNAME OWN-IPV4        (commands on standard input)
 *
 *     first ADDR MAC     asks every 0.5 ms until the first answer
 *                        -> first ADDR NANOSECONDS ASKED
 *     last ADDR MAC      asks every 0.5 ms; once it is answered:
 *                        -> going ADDR
 *                        and when nothing has come back for 100 ms:
 *                        -> last ADDR NANOSECONDS ASKED
 *     sweep N            N lines "ADDR MAC" follow: until each has answered
 *                        -> sweep MISSING NANOSECONDS-OF-THE-LAST-FIRST
 *     stop               ends what is going on -> stopped
 *
 * Times are CLOCK_MONOTONIC, which all processes of a machine share.  Frames
 * are made here, the MAC included, so that no neighbour cache and none of its
 * retransmission timers (1 s) stands between two questions.  No library. */

#define _GNU_SOURCE 1
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    TARGETS_MAX = 4096,
    SILENCE_NS = 100 * 1000 * 1000,     /* Then the last answer was it. */
    SWEEP_GIVE_UP_S = 60,
};
#define INTERVAL_NS INT64_C(500000)
#define SWEEP_INTERVAL_NS INT64_C(100000)
#define SWEEP_AGAIN_NS INT64_C(100000000)   /* One target, again. */

enum mode { M_IDLE, M_FIRST, M_LAST, M_SWEEP };

struct target {
    uint32_t ip;                /* Network byte order. */
    uint8_t mac[6];
    int64_t asked, answered;    /* Times; 0: not yet. */
};

struct frame {
    struct ether_header eth;
    struct iphdr ip;
    struct icmphdr icmp;
    char payload[32];
} __attribute__((packed));

static int sock;
static uint8_t own_mac[6];
static uint32_t own_ip;
static struct target targets[TARGETS_MAX];
static int n_targets, n_open, turn;
static enum mode mode;
static bool going;              /* M_LAST: the first answer was told. */
static uint16_t id;             /* Of the echoes of the present command. */
static uint16_t seq;
static int64_t next_send, started;
static uint64_t n_sent;

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
die(const char *what)
{
    fprintf(stderr, "firstping: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint16_t
checksum(const void *data, size_t size)
{
    const uint8_t *p = data;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        sum += p[i] << 8 | p[i + 1];
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return htons(~sum & 0xffff);
}

static void
ask(struct target *t, int64_t now)
{
    struct frame f;
    memset(&f, 0, sizeof f);
    memcpy(f.eth.ether_dhost, t->mac, 6);
    memcpy(f.eth.ether_shost, own_mac, 6);
    f.eth.ether_type = htons(ETHERTYPE_IP);
    f.ip.version = 4;
    f.ip.ihl = 5;
    f.ip.tot_len = htons(sizeof f - sizeof f.eth);
    f.ip.ttl = 64;
    f.ip.protocol = IPPROTO_ICMP;
    f.ip.saddr = own_ip;
    f.ip.daddr = t->ip;
    f.ip.check = checksum(&f.ip, sizeof f.ip);
    f.icmp.type = ICMP_ECHO;
    f.icmp.un.echo.id = htons(id);
    f.icmp.un.echo.sequence = htons(++seq);
    f.icmp.checksum = checksum(&f.icmp, sizeof f.icmp + sizeof f.payload);
    /* A full queue is a lost question: the next one comes soon. */
    (void) !send(sock, &f, sizeof f, MSG_DONTWAIT);
    t->asked = now;
    n_sent++;
}

static void
send_due(int64_t now)
{
    if (mode == M_IDLE || now < next_send) {
        return;
    }
    if (mode != M_SWEEP) {
        ask(&targets[0], now);
        next_send = now + INTERVAL_NS;
        return;
    }
    next_send = now + SWEEP_INTERVAL_NS;
    for (int i = 0; i < n_targets; i++) {
        struct target *t = &targets[turn];
        turn = (turn + 1) % n_targets;
        if (!t->answered && (!t->asked || now - t->asked >= SWEEP_AGAIN_NS)) {
            ask(t, now);
            return;
        }
    }
    next_send = now + INTERVAL_NS;
}

static void
print_address(const char *what, uint32_t ip)
{
    char text[INET_ADDRSTRLEN];
    printf("%s %s", what, inet_ntop(AF_INET, &ip, text, sizeof text));
}

static void
finish_sweep(void)
{
    int64_t last = 0;
    for (int i = 0; i < n_targets; i++) {
        last = targets[i].answered > last ? targets[i].answered : last;
    }
    printf("sweep %d %lld\n", n_open, (long long) last);
    mode = M_IDLE;
}

static void
finish_if_over(int64_t now)
{
    struct target *t = &targets[0];
    if (mode == M_LAST && going && now - t->answered > SILENCE_NS) {
        print_address("last", t->ip);
        printf(" %lld %llu\n", (long long) t->answered,
               (unsigned long long) n_sent);
        mode = M_IDLE;
    } else if (mode == M_SWEEP
               && now - started > SWEEP_GIVE_UP_S * INT64_C(1000000000)) {
        finish_sweep();
    }
}

static void
handle_answer(uint32_t ip, int64_t now)
{
    for (int i = 0; i < n_targets; i++) {
        struct target *t = &targets[i];
        if (t->ip != ip) {
            continue;
        }
        bool first = !t->answered;
        if (first || mode == M_LAST) {
            t->answered = now;
        }
        if (mode == M_FIRST) {
            print_address("first", ip);
            printf(" %lld %llu\n", (long long) now,
                   (unsigned long long) n_sent);
            mode = M_IDLE;
        } else if (mode == M_LAST && first) {
            going = true;
            print_address("going", ip);
            putchar('\n');
        } else if (mode == M_SWEEP && first && !--n_open) {
            finish_sweep();
        }
        return;
    }
}

static void
receive(void)
{
    for (;;) {
        struct frame f;
        ssize_t n = recv(sock, &f, sizeof f, MSG_DONTWAIT | MSG_TRUNC);
        int64_t now = now_ns();
        if (n < 0) {
            return;
        }
        if ((size_t) n >= offsetof(struct frame, payload)
            && f.ip.version == 4 && f.ip.ihl == 5
            && f.ip.protocol == IPPROTO_ICMP && f.ip.daddr == own_ip
            && f.icmp.type == ICMP_ECHOREPLY
            && f.icmp.un.echo.id == htons(id) && mode != M_IDLE) {
            handle_answer(f.ip.saddr, now);
        }
    }
}

static void
parse_target(const char *text, struct target *t)
{
    char address[64];
    unsigned int m[6];
    memset(t, 0, sizeof *t);
    if (sscanf(text, "%63s %x:%x:%x:%x:%x:%x", address, &m[0], &m[1], &m[2],
               &m[3], &m[4], &m[5]) != 7
        || inet_pton(AF_INET, address, &t->ip) != 1) {
        fprintf(stderr, "firstping: not ADDR MAC: %s\n", text);
        exit(1);
    }
    for (int i = 0; i < 6; i++) {
        t->mac[i] = m[i];
    }
}

static void
begin(enum mode new)
{
    mode = new;
    going = false;
    id = (uint16_t) (id + 1);
    turn = 0;
    n_sent = 0;
    started = next_send = now_ns();
}

static void
handle_command(const char *line)
{
    static int n_missing;       /* Lines of a sweep that are still to come. */
    int n;
    if (n_missing) {
        parse_target(line, &targets[n_targets++]);
        if (!--n_missing) {
            n_open = n_targets;
            begin(M_SWEEP);
        }
    } else if (!strncmp(line, "first ", 6) || !strncmp(line, "last ", 5)) {
        parse_target(strchr(line, ' ') + 1, &targets[0]);
        n_targets = 1;
        begin(line[0] == 'f' ? M_FIRST : M_LAST);
    } else if (sscanf(line, "sweep %d", &n) == 1 && n > 0
               && n <= TARGETS_MAX) {
        mode = M_IDLE;
        n_targets = 0;
        n_missing = n;
    } else if (!strcmp(line, "stop")) {
        mode = M_IDLE;
        puts("stopped");
    } else {
        fprintf(stderr, "firstping: no such command: %s\n", line);
        exit(1);
    }
}

/* False at the end of the input. */
static bool
read_commands(void)
{
    static char buffer[65536];
    static size_t fill;
    ssize_t n = read(STDIN_FILENO, buffer + fill, sizeof buffer - fill - 1);
    if (n <= 0) {
        return false;
    }
    fill += n;
    buffer[fill] = '\0';
    char *line = buffer;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        handle_command(line);
    }
    fill -= line - buffer;
    memmove(buffer, line, fill);
    return true;
}

static void
open_socket(const char *ifname)
{
    sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_IP));
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
        .sll_protocol = htons(ETH_P_IP),
        .sll_ifindex = if_nametoindex(ifname),
    };
    if (bind(sock, (struct sockaddr *) &address, sizeof address)) {
        die("bind");
    }
}

int
main(int argc, char *argv[])
{
    if (argc != 3 || inet_pton(AF_INET, argv[2], &own_ip) != 1) {
        fprintf(stderr, "usage: firstping IFNAME OWN-IPV4\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_socket(argv[1]);
    id = getpid();
    for (;;) {
        int64_t now = now_ns();
        send_due(now);
        finish_if_over(now);
        struct pollfd fds[] = {
            { .fd = STDIN_FILENO, .events = POLLIN },
            { .fd = sock, .events = POLLIN },
        };
        int64_t left = next_send - now_ns();
        left = left > 0 ? left : 0;
        struct timespec wait = { left / 1000000000, left % 1000000000 };
        if (ppoll(fds, 2, mode == M_IDLE ? NULL : &wait, NULL) < 0
            && errno != EINTR) {
            die("poll");
        }
        if (fds[1].revents) {
            receive();
        }
        if (fds[0].revents && !read_commands()) {
            return 0;
        }
    }
}

/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_BENCH_SCALE_FRAME_H
#define TESTS_BENCH_SCALE_FRAME_H 1

/* What scale_probe and scale_vtep have in common: the frame that the one
 * sends and the other waits for, and how both read their commands.  Neither
 * links any library. */

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SCALE_MAGIC = 0x77667343,
    SCALE_PORT = 7777,          /* UDP, both ends. */
};

struct scale_body {
    uint32_t magic;
    uint32_t back;              /* 1: scale_vtep sends it back. */
    uint64_t seq;
};

struct scale_frame {
    struct ether_header eth;
    struct iphdr ip;
    struct udphdr udp;
    struct scale_body body;
} __attribute__((packed));

struct scale_arp {
    struct ether_header eth;
    struct ether_arp arp;
} __attribute__((packed));

static inline int64_t
scale_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static inline uint16_t
scale_checksum(const void *data, size_t size)
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

/* Without a UDP checksum, as IPv4 allows. */
static inline void
scale_frame_init(struct scale_frame *f, const uint8_t from[6],
                 const uint8_t to[6], uint32_t from_ip, uint32_t to_ip)
{
    memset(f, 0, sizeof *f);
    memcpy(f->eth.ether_shost, from, 6);
    memcpy(f->eth.ether_dhost, to, 6);
    f->eth.ether_type = htons(ETHERTYPE_IP);
    f->ip.version = 4;
    f->ip.ihl = 5;
    f->ip.tot_len = htons(sizeof *f - sizeof f->eth);
    f->ip.ttl = 64;
    f->ip.protocol = IPPROTO_UDP;
    f->ip.saddr = from_ip;
    f->ip.daddr = to_ip;
    f->ip.check = scale_checksum(&f->ip, sizeof f->ip);
    f->udp.source = f->udp.dest = htons(SCALE_PORT);
    f->udp.len = htons(sizeof f->udp + sizeof f->body);
    f->body.magic = SCALE_MAGIC;
}

static inline bool
scale_frame_is_ours(const struct scale_frame *f, size_t n)
{
    return n >= sizeof *f && f->eth.ether_type == htons(ETHERTYPE_IP)
        && f->ip.protocol == IPPROTO_UDP && f->udp.dest == htons(SCALE_PORT)
        && f->body.magic == SCALE_MAGIC;
}

/* A MAC at the head of '*words', which is moved behind it. */
static inline bool
scale_parse_mac(const char **words, uint8_t mac[6])
{
    unsigned int m[6];
    int n = 0;
    if (sscanf(*words, "%x:%x:%x:%x:%x:%x%n", &m[0], &m[1], &m[2], &m[3],
               &m[4], &m[5], &n) != 6) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = m[i];
    }
    *words += n;
    return true;
}

/* Hands whole lines of standard input to 'handle'.  False at its end. */
static inline bool
scale_read_commands(void (*handle)(const char *line))
{
    static char buffer[4096];
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
        handle(line);
    }
    fill -= line - buffer;
    memmove(buffer, line, fill);
    return true;
}

#endif /* tests/bench/scale_frame.h */

/* SPDX-License-Identifier: Apache-2.0 */

/* Runs a fuzz target where there is no libFuzzer: over the files given, and
 * over mutations of them, which the seed alone determines.
 *
 * usage: PROGRAM [-n MUTATIONS] [-s SEED] FILE... */

#include <config.h>
#include "fuzz.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_MAX = 1 << 20 };

static unsigned int
below(unsigned int *random, unsigned int n)
{
    return rand_r(random) % n;
}

/* Changes, inserts, removes or repeats some of the 'n' bytes at 'buf', which
 * has room for INPUT_MAX.  Returns how many there are now. */
static size_t
mutate(uint8_t *buf, size_t n, unsigned int *random)
{
    static const char likely[] = "\n\r\t []=:;#./-0123456789abcdefx'\"\\%";
    size_t at = n ? below(random, n) : 0;
    size_t len = n ? 1 + below(random, n - at) : 0;
    uint8_t byte = below(random, 2) ? below(random, 256)
                   : likely[below(random, sizeof likely)];

    switch (below(random, 5)) {
    case 0:
        if (n) {
            buf[at] = byte;
        }
        break;
    case 1:
        if (n) {
            buf[at] ^= 1 << below(random, 8);
        }
        break;
    case 2:
        if (n < INPUT_MAX) {
            memmove(&buf[at + 1], &buf[at], n - at);
            buf[at] = byte;
            n++;
        }
        break;
    case 3:
        memmove(&buf[at], &buf[at + len], n - at - len);
        n -= len;
        break;
    case 4:
        if (n + len <= INPUT_MAX) {
            memmove(&buf[at + len], &buf[at], n - at);
            n += len;
        }
        break;
    }
    return n;
}

/* From a block of its own size, so that a sanitizer sees what reads on. */
static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    (void) LLVMFuzzerTestOneInput(copy, size);      /* 0 always. */
    free(copy);
}

static bool
run_file(const char *name, int n_mutations, unsigned int *random)
{
    uint8_t *seed = malloc(INPUT_MAX);
    uint8_t *buf = malloc(INPUT_MAX);
    FILE *file = fopen(name, "rb");
    bool ok = seed && buf && file;

    if (ok) {
        size_t size = fread(seed, 1, INPUT_MAX, file);

        run(seed, size);
        for (int i = 0; i < n_mutations; i++) {
            size_t n = size;

            memcpy(buf, seed, size);
            for (int j = below(random, 4); j >= 0; j--) {
                n = mutate(buf, n, random);
            }
            run(buf, n);
        }
    } else {
        fprintf(stderr, "%s: %s\n", name, strerror(errno));
    }
    if (file) {
        fclose(file);
    }
    free(seed);
    free(buf);
    return ok;
}

int
main(int argc, char *argv[])
{
    unsigned int seed = time(NULL) ^ getpid();
    int n_mutations = 1000;
    bool ok = true;
    int option;

    while ((option = getopt(argc, argv, "n:s:")) != -1) {
        switch (option) {
        case 'n':
            n_mutations = atoi(optarg);
            break;
        case 's':
            seed = strtoul(optarg, NULL, 10);
            break;
        default:
            fprintf(stderr, "usage: %s [-n MUTATIONS] [-s SEED] FILE...\n",
                    argv[0]);
            return 2;
        }
    }

    /* Before the work, for the case that it crashes. */
    printf("%s: seed %u, %d files, %d mutations of each\n", argv[0], seed,
           argc - optind, n_mutations);
    fflush(stdout);
    for (int i = optind; i < argc; i++) {
        unsigned int random = seed;

        ok = run_file(argv[i], n_mutations, &random) && ok;
    }
    return ok ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <sys/prctl.h>
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(privileges);

/* weft.service allows the same ones, and test_privileges.py compares.  None
 * lets pass by the permissions of a file (CAP_DAC_OVERRIDE and the like), so
 * what weftd opens must be open for root as for any other user.  Packets are
 * the switch's: CAP_NET_RAW is not wanted. */
#define NEEDED(NAME, WITHOUT) { CAP_##NAME, "CAP_"#NAME, WITHOUT }
static const struct {
    unsigned int capability;
    const char *name;
    const char *without;            /* What does not work. */
} needed[] = {
    /* Links, addresses, routes, nftables, /proc/sys/net, taps, offloads. */
    NEEDED(NET_ADMIN, "nothing can be attached, and no underlay or way out "
           "be prepared"),
    /* setns(), to make a veth's inner end what it is to be. */
    NEEDED(SYS_ADMIN, "no namespace can be entered: only taps can be "
           "attached"),
    /* /proc/PID/ns/net of another user's process, or of one that has more
     * capabilities than these. */
    NEEDED(SYS_PTRACE, "no namespace of a process, pid:N, can be opened that "
           "is another user's or has more capabilities"),
};

static void keep(void);
static void tell_lacking(void);

void
privileges_drop(void)
{
    assert_single_threaded();
    if (capng_get_caps_process()) {
        ovs_fatal(0, "the capabilities of this process cannot be read");
    }
    tell_lacking();
    keep();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL)) {
        ovs_fatal(errno, "could not set no_new_privs");
    }
}

static void
keep(void)
{
    bool had[ARRAY_SIZE(needed)];
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        had[i] = capng_have_capability(CAPNG_PERMITTED, needed[i].capability);
    }
    capng_clear(CAPNG_SELECT_ALL);
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, needed[i].capability);
        if (had[i]) {
            capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
                         needed[i].capability);
        }
    }
    /* The bounding set first: to change it takes CAP_SETPCAP.  Where that is
     * not to be had, as in weft.service, it is left as it is: it is about
     * programs that are run, and those gain nothing with no_new_privs. */
    (void) capng_apply(CAPNG_SELECT_BOUNDS);
    if (capng_apply(CAPNG_SELECT_CAPS)) {
        ovs_fatal(errno, "could not give up capabilities");
    }
}

static void
tell_lacking(void)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        if (!capng_have_capability(CAPNG_PERMITTED, needed[i].capability)) {
            ds_put_format(&s, "%s%s (%s)", s.length ? ", " : "",
                          needed[i].name, needed[i].without);
        }
    }
    if (s.length) {
        VLOG_WARN("started without %s", ds_cstr(&s));
    }
    ds_destroy(&s);
}

/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>
#include "agent/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "util.h"

int
tap_open(const char *name, int *fd)
{
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    *fd = -1;
    if (!name[0] || strlen(name) >= IFNAMSIZ || strchr(name, '%')) {
        return -EINVAL;
    }
    ovs_strzcpy(ifr.ifr_name, name, sizeof ifr.ifr_name);

    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (tun < 0) {
        return -errno;
    } else if (ioctl(tun, TUNSETIFF, &ifr)) {
        /* Busy: qemu has it, and made it if it is not persistent.  Then it
         * goes with qemu, and comes again as one of ours. */
        int error = errno == EBUSY ? 0 : -errno;
        close(tun);
        return error;
    }
    *fd = tun;
    return 0;
}

int
tap_keep(int fd, uint32_t owner)
{
    return ((owner != UINT32_MAX
             && ioctl(fd, TUNSETOWNER, (unsigned long int) owner))
            || ioctl(fd, TUNSETPERSIST, 1UL) ? -errno : 0);
}

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# provision.sh NETNS NETWORK: makes a host of a machine, as root in it.  May be
# repeated.
set -eu
netns=$1 network=$2
deb=/tmp/weft.deb
if [ ! -e $deb ]; then
    echo "no package: run ./quickstart deb, then vagrant provision" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get -q -y --no-install-recommends --reinstall --allow-downgrades \
        install $deb
}
# A box that has what the package depends on needs no mirror.
install || { apt-get -q update && install; }

# One list for all hosts.
ln -sfn /srv/weft/peers.conf /etc/weft/peers.conf
usermod -a -G weft vagrant
# A switch whose first bridge is made within 10 s of the boot forwards nothing
# that it has to ask about (Open vSwitch 3.1).
while [ "$(cut -d. -f1 /proc/uptime)" -lt 11 ]; do sleep 1; done
systemctl restart weft

systemctl enable --now "weft-netns@$netns"
weft attach "$netns" --network "$network"
# The first of the hosts has no peer yet, and says that it is not healthy.
weft status || true

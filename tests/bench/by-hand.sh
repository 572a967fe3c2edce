#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The steps of `weft attach` and `weft detach` done with ip, ovs-vsctl and
# ovs-ofctl, for the benchmark: the flows are those of Weft, on a bridge that
# weftd has prepared.
#
#   by-hand.sh attach NAME NETNS MAC IPV4/LEN IPV6/LEN
#       one endpoint, the way a tutorial does it
#   by-hand.sh detach NAME OFPORT MAC
#   by-hand.sh attach-many < LIST
#       LIST has the same five words a line: as few commands as there can be:
#       one `ip -batch` for the links, one ovs-vsctl for the ports, one bundle
#       for the flows; only what happens inside a namespace takes a process
#       each, as many of them at a time as there are processors
#   by-hand.sh detach-many < LIST
#       the best there is for ending all of them, links as one group
#   by-hand.sh ofport NAME
set -e
BRIDGE=${BRIDGE:-br-weft}
VNI=${VNI:-100}
MTU=${MTU:-1450}
GROUP=1459617792                # 0x57000000, of the network: plus its VNI.
FIRST_OFPORT=2000               # attach-many asks for its own numbers.

# The address that Linux makes of a MAC (RFC 4291, appendix A).
link_local() {
    (   IFS=:
        # shellcheck disable=SC2086 # To be split at the colons.
        set -- $1
        printf 'fe80::%x:%x:%x:%x\n' $(( 0x$1$2 ^ 0x200 )) 0x"$3"ff \
            0xfe"$4" 0x"$5$6" )
}

# Lines for `ovs-ofctl bundle`: those of compile_endpoint().
flows() {
    port=$1 mac=$2 ip4=${3%/*} ip6=${4%/*}
    ll=$(link_local "$mac")
    add="flow add cookie=$(( 0x5746000400000000 + port )),priority=100"
    from="in_port=$port,dl_src=$mac"
    cat <<.
group insert_bucket group_id=$(( GROUP + VNI )),command_bucket_id=last,bucket=bucket_id=$port,actions=output:$port
$add,table=0,in_port=$port,vlan_tci=0x0000/0x1000,actions=set_field:$VNI->reg0,goto_table:12
$add,table=40,reg0=$VNI,dl_dst=$mac,actions=output:$port
$add,table=12,$from,ip,nw_src=$ip4,actions=goto_table:20
$add,table=12,$from,arp,arp_spa=$ip4,arp_sha=$mac,actions=goto_table:20
$add,table=12,$from,arp,arp_op=1,arp_spa=0.0.0.0,arp_sha=$mac,actions=goto_table:20
$add,table=20,priority=110,in_port=$port,reg0=$VNI,arp,arp_op=1,arp_tpa=$ip4,actions=goto_table:40
$add,table=20,reg0=$VNI,arp,arp_op=1,arp_tpa=$ip4,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:$mac->eth_src,set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:$mac->arp_sha,move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:$ip4->arp_spa,in_port
$add,table=16,in_port=$port,icmp6,icmp_type=135,icmp_code=0,nd_sll=$mac,actions=goto_table:20
.
    for ip in $ip6 $ll; do
        cat <<.
$add,table=12,$from,ipv6,ipv6_src=$ip,actions=goto_table:16
$add,table=16,in_port=$port,icmp6,icmp_type=136,icmp_code=0,nd_target=$ip,nd_tll=$mac,actions=goto_table:20
$add,table=20,reg0=$VNI,icmp6,icmp_type=135,icmp_code=0,nd_target=$ip,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:$mac->eth_src,move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],set_field:$ip->ipv6_src,set_field:136->icmpv6_type,goto_table:24
$add,table=24,reg0=$VNI,icmp6,icmp_type=136,icmp_code=0,nd_target=$ip,actions=set_field:2->nd_options_type,set_field:0x60000000->nd_reserved,set_field:$mac->nd_tll,in_port
.
    done
}

unflows() {
    echo "flow delete cookie=$(( 0x5746000400000000 + $1 ))/-1"
    echo "group remove_bucket group_id=$(( GROUP + VNI )),command_bucket_id=$1"
}

bundle() {
    ovs-ofctl --protocols=OpenFlow15 bundle "$BRIDGE" -
}

ofport() {
    ovs-vsctl get Interface "$1" ofport
}

attach() {
    name=$1 netns=$2 mac=$3 ip4=$4 ip6=$5
    ip link add "$name" mtu "$MTU" type veth peer name "$name-p"
    ip link set "$name-p" netns "$netns" name eth0 address "$mac" mtu "$MTU"
    ip -n "$netns" addr add "$ip4" dev eth0
    ip -n "$netns" addr add "$ip6" dev eth0 nodad
    ip -n "$netns" link set lo up
    ip -n "$netns" link set eth0 up
    ip netns exec "$netns" ethtool -K eth0 tx off > /dev/null
    ip link set "$name" addrgenmode none arp off up
    ovs-vsctl add-port "$BRIDGE" "$name" \
        -- set Interface "$name" external_ids:iface-id="$name"
    flows "$(ofport "$name")" "$mac" "$ip4" "$ip6" | bundle
}

# Flows, port, link; the ofport and the MAC are known from the attach.
detach() {
    unflows "$2" | bundle
    ovs-vsctl del-port "$BRIDGE" "$1"
    ip link del "$1"
}

inside() {
    ip -n "$1" -batch - <<.
link set lo up
addr add $2 dev eth0
addr add $3 dev eth0 nodad
link set eth0 up
.
    exec nsenter --net="/run/netns/$1" ethtool -K eth0 tx off > /dev/null
}

attach_many() {
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    cat > "$list"

    while read -r name netns mac ip4 ip6; do
        echo "link add $name mtu $MTU type veth" \
            "peer name eth0 mtu $MTU address $mac netns $netns"
        echo "link set $name addrgenmode none arp off up"
    done < "$list" | ip -batch -
    while read -r name netns mac ip4 ip6; do
        echo "$netns $ip4 $ip6"
    done < "$list" | xargs -P "$(nproc)" -L 1 "$0" inside

    n=$FIRST_OFPORT
    while read -r name netns mac ip4 ip6; do
        printf '%s\n' -- add-port "$BRIDGE" "$name" -- set Interface "$name" \
            "ofport_request=$n" "external_ids:iface-id=$name"
        n=$(( n + 1 ))
    done < "$list" | xargs -x -n 100000 ovs-vsctl
    n=$FIRST_OFPORT
    while read -r name netns mac ip4 ip6; do
        flows "$n" "$mac" "$ip4" "$ip6"
        n=$(( n + 1 ))
    done < "$list" | bundle
}

detach_many() {
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    cat > "$list"

    n=$FIRST_OFPORT
    while read -r name _; do
        unflows "$n"
        n=$(( n + 1 ))
    done < "$list" | bundle
    while read -r name _; do
        printf '%s\n' -- del-port "$BRIDGE" "$name"
    done < "$list" | xargs -x -n 100000 ovs-vsctl
    while read -r name _; do
        echo "link set $name group 4711"
    done < "$list" | ip -batch -
    ip link del group 4711
}

command=$1
shift
case $command in
attach | detach | inside | ofport) $command "$@" ;;
attach-many) attach_many ;;
detach-many) detach_many ;;
*) echo "by-hand.sh: no such command: $command" >&2; exit 2 ;;
esac

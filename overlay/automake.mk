# SPDX-License-Identifier: Apache-2.0

# The pure part.  tests/purity.sh holds it to that.
noinst_LIBRARIES += liboverlay.a
liboverlay_a_SOURCES = \
	overlay/address.c overlay/address.h \
	overlay/admit.c overlay/admit.h \
	overlay/announce.c overlay/announce.h \
	overlay/answer.c overlay/answer.h \
	overlay/claims.c overlay/claims.h \
	overlay/compile.c overlay/compile.h \
	overlay/compile-fields.c overlay/compile-fields.h \
	overlay/compile-gateway.c \
	overlay/compile-known.c \
	overlay/compile-refused.c \
	overlay/dhcp4.c overlay/dhcp4.h \
	overlay/dhcp4-request.c overlay/dhcp4-request.h \
	overlay/dhcp6.c overlay/dhcp6.h \
	overlay/dhcp6-message.c overlay/dhcp6-message.h \
	overlay/dns.c overlay/dns.h \
	overlay/frame.c overlay/frame.h \
	overlay/icmp.c overlay/icmp.h \
	overlay/ifname.c overlay/ifname.h \
	overlay/jsontext.c overlay/jsontext.h \
	overlay/lease.c overlay/lease.h \
	overlay/model.c overlay/model.h \
	overlay/peercheck.c overlay/peercheck.h \
	overlay/peerdraft.c overlay/peerdraft.h \
	overlay/peerfile.c overlay/peerfile.h \
	overlay/peerkey.c overlay/peerkey.h \
	overlay/peerlist.c overlay/peerlist.h \
	overlay/pipeline.c overlay/pipeline.h overlay/pipeline.def \
	overlay/plan.c overlay/plan.h \
	overlay/publish.c overlay/publish.h \
	overlay/refusal.c overlay/refusal.h overlay/refusal.def \
	overlay/request.c overlay/request.h \
	overlay/router-adv.c overlay/router-adv.h \
	overlay/sections.c overlay/sections.h \
	overlay/transit.c overlay/transit.h \
	overlay/verdict.c overlay/verdict.h \
	overlay/view.c overlay/view.h

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
	overlay/dns.c overlay/dns.h \
	overlay/icmp.c overlay/icmp.h \
	overlay/ifname.c overlay/ifname.h \
	overlay/ip-frame.c overlay/ip-frame.h \
	overlay/model.c overlay/model.h \
	overlay/peerdraft.c overlay/peerdraft.h \
	overlay/peerfile.c overlay/peerfile.h \
	overlay/peerlist.c overlay/peerlist.h \
	overlay/pipeline.c overlay/pipeline.h overlay/pipeline.def \
	overlay/plan.c overlay/plan.h \
	overlay/request.c overlay/request.h \
	overlay/view.c overlay/view.h

# SPDX-License-Identifier: Apache-2.0

# --- unit: the pure part alone; the linker proves that it is ---------------
PACKET = tests/packet.c tests/packet.h
UNIT_LIBS = liboverlay.a $(OVS_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)
if CMOCKA
UNIT_TESTS = \
	tests/unit/test_address \
	tests/unit/test_admit \
	tests/unit/test_allocate \
	tests/unit/test_dhcp4 \
	tests/unit/test_dhcp6 \
	tests/unit/test_dns \
	tests/unit/test_directoryrows \
	tests/unit/test_gather \
	tests/unit/test_icmp \
	tests/unit/test_jsontext \
	tests/unit/test_model \
	tests/unit/test_peercheck \
	tests/unit/test_peerfile \
	tests/unit/test_peerlist \
	tests/unit/test_peerself \
	tests/unit/test_plan \
	tests/unit/test_publish \
	tests/unit/test_request \
	tests/unit/test_router_adv \
	tests/unit/test_rtnl_parse \
	tests/unit/test_sections \
	tests/unit/test_transit \
	tests/unit/test_underlay \
	tests/unit/test_verdict \
	tests/unit/test_view
endif
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

tests_unit_test_address_LDADD = $(UNIT_LIBS)
tests_unit_test_admit_LDADD = $(UNIT_LIBS)
tests_unit_test_allocate_LDADD = $(UNIT_LIBS)
tests_unit_test_dhcp4_SOURCES = tests/unit/test_dhcp4.c $(PACKET)
tests_unit_test_dhcp4_LDADD = $(UNIT_LIBS)
tests_unit_test_dhcp6_SOURCES = tests/unit/test_dhcp6.c $(PACKET)
tests_unit_test_dhcp6_LDADD = $(UNIT_LIBS)
tests_unit_test_dns_SOURCES = tests/unit/test_dns.c $(PACKET)
tests_unit_test_dns_LDADD = $(UNIT_LIBS)
tests_unit_test_directoryrows_SOURCES = tests/unit/test_directoryrows.c \
	ovsdb/directoryrows.c ovsdb/directoryrows.h
tests_unit_test_directoryrows_LDADD = $(UNIT_LIBS)
tests_unit_test_gather_SOURCES = tests/unit/test_gather.c \
	agent/gather.c agent/gather.h
tests_unit_test_gather_LDADD = $(UNIT_LIBS)
tests_unit_test_icmp_SOURCES = tests/unit/test_icmp.c $(PACKET)
tests_unit_test_icmp_LDADD = $(UNIT_LIBS)
tests_unit_test_jsontext_LDADD = $(UNIT_LIBS)
tests_unit_test_model_LDADD = $(UNIT_LIBS)
tests_unit_test_peercheck_LDADD = $(UNIT_LIBS)
tests_unit_test_peerfile_LDADD = $(UNIT_LIBS)
tests_unit_test_peerlist_LDADD = $(UNIT_LIBS)
tests_unit_test_peerself_LDADD = $(UNIT_LIBS)
tests_unit_test_plan_LDADD = $(UNIT_LIBS)
tests_unit_test_publish_LDADD = $(UNIT_LIBS)
tests_unit_test_request_LDADD = $(UNIT_LIBS)
tests_unit_test_router_adv_SOURCES = tests/unit/test_router_adv.c $(PACKET)
tests_unit_test_router_adv_LDADD = $(UNIT_LIBS)
tests_unit_test_rtnl_parse_SOURCES = tests/unit/test_rtnl_parse.c \
	agent/rtnl-parse.c agent/rtnl-parse.h
tests_unit_test_rtnl_parse_LDADD = $(UNIT_LIBS) $(MNL_LIBS)
tests_unit_test_sections_LDADD = $(UNIT_LIBS)
tests_unit_test_transit_LDADD = $(UNIT_LIBS)
tests_unit_test_underlay_SOURCES = tests/unit/test_underlay.c \
	agent/underlay-text.c agent/underlay-text.h
tests_unit_test_underlay_LDADD = $(UNIT_LIBS)
tests_unit_test_verdict_LDADD = $(UNIT_LIBS)
tests_unit_test_view_LDADD = $(UNIT_LIBS)

# --- golden, purity --------------------------------------------------------
check_PROGRAMS += tests/golden/golden
tests_golden_golden_SOURCES = tests/golden/golden.c
tests_golden_golden_LDADD = liboverlay.a $(OVS_LIBS) $(INIH_LIBS)
TESTS += tests/golden/run.sh tests/purity.sh
EXTRA_DIST += \
	tests/golden/run.sh tests/purity.sh \
	tests/golden/empty.conf tests/golden/empty.flows \
	tests/golden/page.conf tests/golden/page.flows \
	tests/golden/kernel.conf tests/golden/kernel.flows \
	tests/golden/known.conf tests/golden/known.flows \
	tests/golden/known-kernel.conf tests/golden/known-kernel.flows \
	tests/golden/two-networks.conf tests/golden/two-networks.flows
AM_TESTS_ENVIRONMENT = srcdir='$(srcdir)'; export srcdir; \
	OVS_LIB='$(OVS_LIB)'; export OVS_LIB; \
	CFLAGS='$(CFLAGS)'; export CFLAGS;

# Writes what is there now as what is expected: look at the difference.
golden-update: tests/golden/golden
	srcdir='$(srcdir)' '$(srcdir)/tests/golden/run.sh' --update
.PHONY: golden-update

# --- hardening: what the compiler was to do is there -----------------------
if HARDENED
TESTS += tests/hardening.sh
endif
EXTRA_DIST += tests/hardening.sh

# --- completion: the shells know what weft --help tells --------------------
TESTS += tests/completion/bash.sh
if ZSH
TESTS += tests/completion/zsh.sh
endif
EXTRA_DIST += tests/completion/run.sh tests/completion/bash.sh \
	tests/completion/zsh.sh

# --- fuzz: libFuzzer with --enable-fuzz and clang, else mutated seeds ------
FUZZ_TARGETS = \
	tests/fuzz/fuzz_bundle \
	tests/fuzz/fuzz_clusterstatus \
	tests/fuzz/fuzz_compile \
	tests/fuzz/fuzz_conffile \
	tests/fuzz/fuzz_dhcp4 \
	tests/fuzz/fuzz_dhcp6 \
	tests/fuzz/fuzz_directoryrows \
	tests/fuzz/fuzz_dns \
	tests/fuzz/fuzz_gateway \
	tests/fuzz/fuzz_icmp \
	tests/fuzz/fuzz_jsontext \
	tests/fuzz/fuzz_nd \
	tests/fuzz/fuzz_netlink \
	tests/fuzz/fuzz_peerlist \
	tests/fuzz/fuzz_publish \
	tests/fuzz/fuzz_request \
	tests/fuzz/fuzz_rows \
	tests/fuzz/fuzz_sections \
	tests/fuzz/fuzz_switch \
	tests/fuzz/fuzz_underlay
check_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_LIBS = liboverlay.a $(OVS_LIBS) $(INIH_LIBS)
if FUZZ
FUZZ_MAIN = tests/fuzz/fuzz.h
AM_FUZZ_FLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
else
FUZZ_MAIN = tests/fuzz/fuzz.h tests/fuzz/standalone.c
AM_FUZZ_FLAGS = $(AM_LDFLAGS)
endif
FUZZ_ANSWERS = tests/fuzz/answers.c tests/fuzz/answers.h $(PACKET) $(FUZZ_MAIN)
FUZZ_TEXT = tests/fuzz/text.c tests/fuzz/text.h $(FUZZ_MAIN)
FUZZ_LISTS = tests/fuzz/lists.c tests/fuzz/lists.h $(FUZZ_TEXT)
FUZZ_ROWS = tests/fuzz/rowtext.c tests/fuzz/rowtext.h \
	ovsdb/rows.c ovsdb/rows.h $(FUZZ_TEXT)
tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz_bundle.c $(FUZZ_TEXT) \
	agent/bundle.c agent/bundle.h agent/textfile.c agent/textfile.h
tests_fuzz_fuzz_bundle_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_bundle_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_clusterstatus_SOURCES = tests/fuzz/fuzz_clusterstatus.c \
	$(FUZZ_TEXT) agent/cluster-status.c agent/cluster-status.h
tests_fuzz_fuzz_clusterstatus_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_clusterstatus_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_compile_SOURCES = tests/fuzz/fuzz_compile.c $(FUZZ_ROWS)
tests_fuzz_fuzz_compile_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_compile_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_conffile_SOURCES = tests/fuzz/fuzz_conffile.c $(FUZZ_TEXT) \
	agent/conffile.c agent/conffile.h
tests_fuzz_fuzz_conffile_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_conffile_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_dhcp4_SOURCES = tests/fuzz/fuzz_dhcp4.c $(FUZZ_ANSWERS)
tests_fuzz_fuzz_dhcp4_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_dhcp4_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_dhcp6_SOURCES = tests/fuzz/fuzz_dhcp6.c $(FUZZ_ANSWERS)
tests_fuzz_fuzz_dhcp6_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_dhcp6_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_directoryrows_SOURCES = tests/fuzz/fuzz_directoryrows.c \
	$(FUZZ_LISTS) ovsdb/directoryrows.c ovsdb/directoryrows.h \
	ovsdb/directoryvalues.c ovsdb/directoryvalues.h
tests_fuzz_fuzz_directoryrows_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_directoryrows_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_dns_SOURCES = tests/fuzz/fuzz_dns.c $(FUZZ_ANSWERS)
tests_fuzz_fuzz_dns_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_dns_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_gateway_SOURCES = tests/fuzz/fuzz_gateway.c $(FUZZ_ANSWERS)
tests_fuzz_fuzz_gateway_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_gateway_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_icmp_SOURCES = tests/fuzz/fuzz_icmp.c $(FUZZ_ANSWERS)
tests_fuzz_fuzz_icmp_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_icmp_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_jsontext_SOURCES = tests/fuzz/fuzz_jsontext.c $(FUZZ_MAIN)
tests_fuzz_fuzz_jsontext_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_jsontext_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_nd_SOURCES = tests/fuzz/fuzz_nd.c $(FUZZ_ANSWERS)
tests_fuzz_fuzz_nd_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_nd_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_netlink_SOURCES = tests/fuzz/fuzz_netlink.c \
	agent/rtnl-parse.c agent/rtnl-parse.h agent/underlay-text.c \
	agent/underlay-text.h $(FUZZ_MAIN)
tests_fuzz_fuzz_netlink_LDADD = $(FUZZ_LIBS) $(MNL_LIBS)
tests_fuzz_fuzz_netlink_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_peerlist_SOURCES = tests/fuzz/fuzz_peerlist.c $(FUZZ_LISTS)
tests_fuzz_fuzz_peerlist_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_peerlist_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_publish_SOURCES = tests/fuzz/fuzz_publish.c $(FUZZ_TEXT)
tests_fuzz_fuzz_publish_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_publish_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz_request.c $(FUZZ_TEXT)
tests_fuzz_fuzz_request_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_request_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_rows_SOURCES = tests/fuzz/fuzz_rows.c $(FUZZ_ROWS)
tests_fuzz_fuzz_rows_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_rows_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_sections_SOURCES = tests/fuzz/fuzz_sections.c $(FUZZ_TEXT) \
	ovsdb/directoryrows.c ovsdb/directoryrows.h
tests_fuzz_fuzz_sections_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_sections_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_switch_SOURCES = tests/fuzz/fuzz_switch.c \
	agent/ofswitch-encode.c agent/ofswitch-encode.h agent/ofswitch-read.c \
	agent/ofswitch-read.h $(FUZZ_MAIN)
tests_fuzz_fuzz_switch_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_switch_LDFLAGS = $(AM_FUZZ_FLAGS)
tests_fuzz_fuzz_underlay_SOURCES = tests/fuzz/fuzz_underlay.c $(FUZZ_TEXT) \
	agent/underlay-text.c agent/underlay-text.h
tests_fuzz_fuzz_underlay_LDADD = $(FUZZ_LIBS)
tests_fuzz_fuzz_underlay_LDFLAGS = $(AM_FUZZ_FLAGS)

FUZZ_MUTATIONS = 20000
EXTRA_DIST += tests/fuzz/standalone.c tests/fuzz/run.sh \
	$(srcdir)/tests/fuzz/*.dict tests/fuzz/seeds
check-fuzz: $(FUZZ_TARGETS)
	srcdir='$(srcdir)' MUTATIONS='$(FUZZ_MUTATIONS)' \
	    '$(srcdir)/tests/fuzz/run.sh' $(FUZZ_TARGETS)
.PHONY: check-fuzz

# --- lint: gcc -fanalyzer, scan-build and cppcheck, all or one --------------
EXTRA_DIST += tests/lint/run.sh tests/lint/containers.h tests/lint/ovs.cfg \
	tests/lint/cppcheck.supp
LINT = srcdir='$(srcdir)' LINT_CPPFLAGS='$(AM_CPPFLAGS)' \
	'$(srcdir)/tests/lint/run.sh'
check-lint: $(OVS_STAMP)
	$(LINT)
check-lint-gcc check-lint-clang check-lint-cppcheck: check-lint-%: $(OVS_STAMP)
	$(LINT) $*
.PHONY: check-lint check-lint-gcc check-lint-clang check-lint-cppcheck

# --- system: real Open vSwitch, hosts as namespaces; needs root ------------
EXTRA_DIST += $(srcdir)/tests/system/*.py $(srcdir)/tests/system/*.c \
	$(srcdir)/tests/system/faults/*.py $(srcdir)/tests/system/faults/*.c
PYTEST = /usr/bin/python3 -B -m pytest -p no:cacheprovider
PYTEST_FLAGS =
check-system: all
	cd '$(srcdir)/tests/system' && \
	    WEFT_BUILD='$(abs_builddir)' $(PYTEST) $(PYTEST_FLAGS) .
.PHONY: check-system

# The fault suite again and again, each time with another long random walk.
SOAK_MINUTES = 120
SOAK_STEPS = 20000
check-soak: all
	@end=`expr \`date +%s\` + 60 \* $(SOAK_MINUTES)`; n=0; \
	while test `date +%s` -lt $$end; do \
	    n=`expr $$n + 1`; echo "== round $$n"; \
	    (cd '$(srcdir)/tests/system' && WEFT_TEST_STEPS=$(SOAK_STEPS) \
	        WEFT_BUILD='$(abs_builddir)' $(PYTEST) -q -s $(PYTEST_FLAGS) \
	        faults) || exit 1; \
	done; echo "$$n rounds, none failed"
.PHONY: check-soak

# --- benchmarks: print ratios, assert nothing on time; need root -----------
BENCH_ATTACH = tests/bench/floor tests/bench/firstping
BENCH_SCALE = tests/bench/scale_flows tests/bench/scale_load \
	tests/bench/scale_probe tests/bench/scale_vtep
EXTRA_PROGRAMS = $(BENCH_ATTACH) $(BENCH_SCALE)
CLEANFILES += $(EXTRA_PROGRAMS)
tests_bench_floor_SOURCES = tests/bench/floor.c \
	agent/netns.c agent/netns.h \
	agent/ofswitch-encode.c agent/ofswitch-encode.h \
	agent/rtnl.c agent/rtnl.h \
	agent/rtnl-inet.c \
	agent/rtnl-parse.c agent/rtnl-parse.h \
	agent/rtnl-socket.c agent/rtnl-socket.h
tests_bench_floor_LDADD = liboverlay.a $(OVS_LIBS) $(MNL_LIBS) $(INIH_LIBS)
tests_bench_firstping_SOURCES = tests/bench/firstping.c
EXTRA_DIST += tests/bench/attach.py tests/bench/runner.py \
	tests/bench/by-hand.sh
BENCH_FLAGS =
bench: all $(BENCH_ATTACH)
	/usr/bin/python3 -B '$(srcdir)/tests/bench/attach.py' \
	    --build '$(abs_builddir)' $(BENCH_FLAGS)
.PHONY: bench

tests_bench_scale_flows_SOURCES = tests/bench/scale_flows.c
tests_bench_scale_flows_LDADD = $(OVS_LIBS)
tests_bench_scale_load_SOURCES = tests/bench/scale_load.c
tests_bench_scale_load_LDADD = $(OVS_LIBS)
tests_bench_scale_probe_SOURCES = tests/bench/scale_probe.c \
	tests/bench/scale_frame.h
tests_bench_scale_vtep_SOURCES = tests/bench/scale_vtep.c \
	tests/bench/scale_frame.h
EXTRA_DIST += tests/bench/scale.py tests/bench/scale_agent.py \
	tests/bench/scale_directory.py tests/bench/scale_floor.py \
	tests/bench/scale_world.py
bench-scale: all $(BENCH_SCALE)
	/usr/bin/python3 -B '$(srcdir)/tests/bench/scale.py' \
	    --build '$(abs_builddir)' $(BENCH_FLAGS)
.PHONY: bench-scale
EXTRA_DIST += tests/bench/bfd.py
bench-bfd: all
	/usr/bin/python3 -B '$(srcdir)/tests/bench/bfd.py' \
	    --build '$(abs_builddir)' $(BENCH_FLAGS)
.PHONY: bench-bfd

# SPDX-License-Identifier: Apache-2.0

# --- unit: the pure part alone; the linker proves that it is ---------------
UNIT_TESTS = \
	tests/unit/test_address \
	tests/unit/test_allocate \
	tests/unit/test_model \
	tests/unit/test_peerfile \
	tests/unit/test_peerlist \
	tests/unit/test_peerself \
	tests/unit/test_request
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
UNIT_LIBS = liboverlay.a $(OVS_LIBS) $(INIH_LIBS) $(CMOCKA_LIBS)

tests_unit_test_address_LDADD = $(UNIT_LIBS)
tests_unit_test_allocate_LDADD = $(UNIT_LIBS)
tests_unit_test_model_LDADD = $(UNIT_LIBS)
tests_unit_test_peerfile_LDADD = $(UNIT_LIBS)
tests_unit_test_peerlist_LDADD = $(UNIT_LIBS)
tests_unit_test_peerself_LDADD = $(UNIT_LIBS)
tests_unit_test_request_LDADD = $(UNIT_LIBS)

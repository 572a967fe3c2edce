# SPDX-License-Identifier: Apache-2.0

# --- Open vSwitch's library ------------------------------------------------
# Sources and headers in $(OVS_DIR)/src, built in $(OVS_DIR).  Only distclean
# removes it, and only where it is this build tree's own.

OVS_LIB = $(OVS_DIR)/lib/.libs/libopenvswitch.a
OVS_CPPFLAGS = -isystem $(OVS_DIR) -isystem $(OVS_DIR)/include \
	-isystem $(OVS_DIR)/lib -isystem $(OVS_DIR)/src/include \
	-isystem $(OVS_DIR)/src/lib
OVS_BASE_LIBS = $(OVS_LIB) -latomic -lm -lpthread
OVS_LIBS = $(OVS_LIB) $(SSL_LIBS) -lcrypto -latomic -lm -lpthread
# The last thing that a whole build makes: a library that was being written
# when somebody pulled the plug is not one.
OVS_STAMP = $(OVS_DIR)/built
BUILT_SOURCES += $(OVS_STAMP)
$(OVS_LIB): $(OVS_STAMP)

# The paths are Debian's, so that the switch's sockets are found where they
# are.  unbound, unwind, libcap-ng and XDP are left out: nothing here uses
# them.
$(OVS_STAMP): $(OVS_TARBALL)
	@echo "  building libopenvswitch in $(OVS_DIR), once (about a minute)"
	@rm -rf $(OVS_DIR)
	@$(MKDIR_P) $(OVS_DIR)/src
	@tar -C $(OVS_DIR)/src --strip-components=1 -xzf $(OVS_TARBALL)
	@cd $(OVS_DIR) && { ./src/configure -q --prefix=/usr \
	    --sysconfdir=/etc --localstatedir=/var \
	    --disable-dependency-tracking --disable-libcapng \
	    --disable-afxdp ac_cv_lib_unbound_ub_ctx_create=no \
	    ac_cv_lib_unwind_unw_backtrace=no \
	    ovs_cv_binutils_avx512_good=no PYTHON3=$(PYTHON3) \
	    CC=gcc CFLAGS="$(WEFT_OVS_CFLAGS)" && \
	  env -u MAKELEVEL -u MAKEFLAGS -u MFLAGS $(MAKE) -s -j2 \
	    include/odp-netlink.h include/odp-netlink-macros.h \
	    lib/vswitch-idl.h lib/ovsdb-server-idl.h && \
	  env -u MAKELEVEL -u MAKEFLAGS -u MFLAGS $(MAKE) -s -j2 \
	    lib/libopenvswitch.la; } >build.log 2>&1 || \
	  { tail -n 20 build.log; exit 1; }
	@echo '$(WEFT_OVS_CFLAGS)' >$(OVS_DIR)/cflags
	@touch $@

distclean-local:
	case '$(OVS_DIR)' in \
	  '$(abs_top_builddir)'/*) rm -rf '$(OVS_DIR)' ;; esac

# --- the room --------------------------------------------------------------
noinst_LIBRARIES += libovsdbrows.a
libovsdbrows_a_SOURCES = \
	ovsdb/directorydb.c ovsdb/directorydb.h \
	ovsdb/directoryops.c ovsdb/directoryops.h \
	ovsdb/directoryrows.c ovsdb/directoryrows.h \
	ovsdb/directoryvalues.c ovsdb/directoryvalues.h \
	ovsdb/operation.c ovsdb/operation.h \
	ovsdb/rows.c ovsdb/rows.h \
	ovsdb/switchdb.c ovsdb/switchdb.h ovsdb/switchdb-parts.h \
	ovsdb/switchdb-write.c \
	ovsdb/switchport.c ovsdb/switchport.h

# The schema of the shared directory: installed, and beside `weft` in the build
# tree, where `weft directory init` looks when it is run from there.
dist_pkgdata_DATA = ovsdb/weft.ovsschema
noinst_DATA += weft.ovsschema
weft.ovsschema: ovsdb/weft.ovsschema
	@cp $(srcdir)/ovsdb/weft.ovsschema $@
CLEANFILES += weft.ovsschema

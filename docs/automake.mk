# SPDX-License-Identifier: Apache-2.0

dist_man_MANS += docs/weft.1 docs/weftd.8 docs/weft.conf.5 docs/peers.conf.5
EXTRA_DIST += \
	docs/architecture.md docs/behind-nat.md docs/directory.md \
	docs/exercises.md \
	docs/pipeline.md docs/scale.md docs/testing.md docs/tutorial.md \
	docs/underlay.md

# weft(5) is made of the schema and of what ovsdb/weft.xml says about it, by
# Open vSwitch's own generator.  It fails if a table or a column is in only one
# of the two.  Not distributed: whoever builds has the generator.
man_MANS = docs/weft.5
CLEANFILES += docs/weft.5 docs/weft.5.tmp
EXTRA_DIST += ovsdb/weft.ovsschema ovsdb/weft.xml
docs/weft.5: ovsdb/weft.ovsschema ovsdb/weft.xml $(OVS_STAMP)
	$(AM_V_GEN)$(MKDIR_P) docs && \
	PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='$(OVS_DIR)/src/python' \
	    $(PYTHON3) '$(OVS_DIR)/src/ovsdb/ovsdb-doc' \
	    --version='$(VERSION)' '$(srcdir)/ovsdb/weft.ovsschema' \
	    '$(srcdir)/ovsdb/weft.xml' >$@.tmp && \
	sed -E -e '/^\.TH /s/Open vSwitch/Weft/g' \
	    -e 's/^\.(IP "Table"|TQ) 1in/.\1 1.5in/' $@.tmp >$@ && \
	rm -f $@.tmp

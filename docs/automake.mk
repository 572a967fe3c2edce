# SPDX-License-Identifier: Apache-2.0

dist_man_MANS += docs/weft.1 docs/weftd.8 docs/weft.conf.5 docs/peers.conf.5
EXTRA_DIST += \
	docs/architecture.md docs/behind-nat.md docs/pipeline.md \
	docs/testing.md docs/tutorial.md

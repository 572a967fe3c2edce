# SPDX-License-Identifier: Apache-2.0

sbin_PROGRAMS += weftd
weftd_SOURCES = \
	agent/agent.c agent/agent.h \
	agent/agent-events.c agent/agent-events.h \
	agent/attachment.c agent/attachment.h \
	agent/attachment-standing.c \
	agent/certificate.c agent/certificate.h \
	agent/checksums.c agent/checksums.h \
	agent/commands.def \
	agent/conffile.c agent/conffile.h \
	agent/control.c agent/control.h \
	agent/control-commands.h \
	agent/control-client.c agent/control-client.h \
	agent/control-endpoints.c \
	agent/control-show.c \
	agent/control-socket.c agent/control-socket.h \
	agent/directory.c agent/directory.h \
	agent/endpoints.c agent/endpoints.h \
	agent/external.c agent/external.h \
	agent/external-rules.c agent/external-rules.h \
	agent/filewatch.c agent/filewatch.h \
	agent/firewall.c agent/firewall.h \
	agent/endpoints-publish.c \
	agent/endpoints-request.c \
	agent/gather.c agent/gather.h \
	agent/gateway.c agent/gateway.h \
	agent/health.c agent/health.h \
	agent/heartbeat.c agent/heartbeat.h \
	agent/kernel.c agent/kernel.h \
	agent/lent.c agent/lent.h \
	agent/links.c agent/links.h \
	agent/loop.c agent/loop.h \
	agent/mtu.c agent/mtu.h \
	agent/neighbours.c agent/neighbours.h \
	agent/netns.c agent/netns.h \
	agent/networks.c agent/networks.h \
	agent/notify.c agent/notify.h \
	agent/ofswitch.c agent/ofswitch.h \
	agent/ofswitch-bundles.c agent/ofswitch-bundles.h \
	agent/ofswitch-encode.c agent/ofswitch-encode.h \
	agent/ofswitch-questions.c agent/ofswitch-questions.h \
	agent/ofswitch-read.c agent/ofswitch-read.h \
	agent/portguard.c agent/portguard.h \
	agent/privileges.c agent/privileges.h \
	agent/reaper.c agent/reaper.h \
	agent/reply.c agent/reply.h \
	agent/registrar.c agent/registrar.h \
	agent/registrar-parts.h \
	agent/registrar-self.c \
	agent/registrar-send.c \
	agent/remotes.c agent/remotes.h \
	agent/remotes-flows.c \
	agent/remotes-store.c agent/remotes-store.h \
	agent/reports.c agent/reports.h \
	agent/retired.c agent/retired.h \
	agent/rtnl.c agent/rtnl.h \
	agent/rtnl-inet.c \
	agent/rtnl-neighbour.c \
	agent/rtnl-monitor.c \
	agent/rtnl-parse.c agent/rtnl-parse.h \
	agent/rtnl-socket.c agent/rtnl-socket.h \
	agent/settings.c agent/settings.h \
	agent/shared.c agent/shared.h \
	agent/show.c agent/show.h \
	agent/sysctl.c agent/sysctl.h \
	agent/tap.c agent/tap.h \
	agent/textfile.c agent/textfile.h \
	agent/ticket.c agent/ticket.h \
	agent/tunnels.c agent/tunnels.h \
	agent/underlay.c agent/underlay.h \
	agent/underlay-text.c agent/underlay-text.h \
	agent/upcalls.c agent/upcalls.h \
	agent/weftd.c \
	agent/who.c agent/who.h \
	agent/zones.c agent/zones.h
weftd_LDADD = libovsdbrows.a liboverlay.a $(OVS_LIBS) \
	$(MNL_LIBS) $(EVENT_LIBS) $(INIH_LIBS) $(NFTABLES_LIBS) \
	$(SYSTEMD_LIBS) $(CAPNG_LIBS)

bin_PROGRAMS += weft
weft_SOURCES = \
	agent/bundle.c agent/bundle.h \
	agent/cluster.c agent/cluster.h \
	agent/cluster-status.c agent/cluster-status.h \
	agent/commands.def \
	agent/conffile.c agent/conffile.h \
	agent/netns.c agent/netns.h \
	agent/nossl.c \
	agent/textfile.c agent/textfile.h \
	agent/tls.c agent/tls.h \
	agent/tool.c agent/tool.h \
	agent/weft.c agent/weft.h \
	agent/weft-admin.c agent/weft-admin.h \
	agent/weft-ask.c agent/weft-ask.h \
	agent/weft-check.c agent/weft-check.h \
	agent/weft-db.c agent/weft-db.h \
	agent/weft-directory.c agent/weft-directory.h \
	agent/weft-directory-hosts.c \
	agent/weft-directory-options.c \
	agent/weft-directory-run.c \
	agent/weft-directory-status.c \
	agent/weft-export.c \
	agent/weft-netns.c \
	agent/weft-network.c \
	agent/weft-remove.c \
	agent/weftconf.c agent/weftconf.h
# Linked statically, because loading libcrypto, which libopenvswitch wants and
# this command does not use, would be most of its life: 2 ms of 3.
weft_LDFLAGS = $(WEFT_COMMAND_LDFLAGS)
weft_LDADD = libovsdbrows.a liboverlay.a $(OVS_BASE_LIBS) -lcrypto \
	$(INIH_LIBS)

# For qemu's script= and downscript=.
dist_pkglibexec_SCRIPTS = agent/qemu/weft-ifup agent/qemu/weft-ifdown

# systemd's units know where the programs are.
UNITS = agent/systemd/weft.service agent/systemd/weft-directory.service \
	agent/systemd/weft-netns@.service
systemdsystemunit_DATA = $(UNITS)
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = agent/systemd/weft.conf
CLEANFILES += $(UNITS) agent/systemd/weft.conf
EXTRA_DIST += agent/systemd/weft.service.in \
	agent/systemd/weft-directory.service.in \
	agent/systemd/weft-netns@.service.in agent/systemd/weft.sysusers
$(UNITS): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) agent/systemd && \
	sed -e 's,[@]bindir@,$(bindir),g' -e 's,[@]sbindir@,$(sbindir),g' \
	    '$(srcdir)/$@.in' >$@.tmp && mv $@.tmp $@
agent/systemd/weft.conf: agent/systemd/weft.sysusers
	$(AM_V_GEN)$(MKDIR_P) agent/systemd && \
	cp '$(srcdir)/agent/systemd/weft.sysusers' $@

# Completion is one part that both shells share, and one of each.
bashcompdir = $(datadir)/bash-completion/completions
zshcompdir = $(datadir)/zsh/vendor-completions
COMPLETION = agent/completion/weft.bash agent/completion/_weft
noinst_DATA += $(COMPLETION)
CLEANFILES += $(COMPLETION)
COMPLETION_PARTS = agent/completion/candidates.sh agent/completion/bash.sh \
	agent/completion/zsh.sh
EXTRA_DIST += $(COMPLETION_PARTS)
agent/completion/weft.bash: $(COMPLETION_PARTS)
	$(AM_V_GEN)$(MKDIR_P) agent/completion && \
	cat '$(srcdir)/agent/completion/candidates.sh' \
	    '$(srcdir)/agent/completion/bash.sh' >$@
agent/completion/_weft: $(COMPLETION_PARTS)
	$(AM_V_GEN)$(MKDIR_P) agent/completion && \
	{ echo '#compdef weft' && \
	  cat '$(srcdir)/agent/completion/candidates.sh' \
	      '$(srcdir)/agent/completion/zsh.sh'; } >$@
# Under the names that the shells look for.
install-data-local: $(COMPLETION)
	$(MKDIR_P) '$(DESTDIR)$(bashcompdir)' '$(DESTDIR)$(zshcompdir)'
	$(INSTALL_DATA) agent/completion/weft.bash \
	    '$(DESTDIR)$(bashcompdir)/weft'
	$(INSTALL_DATA) agent/completion/_weft '$(DESTDIR)$(zshcompdir)/_weft'
uninstall-local:
	rm -f '$(DESTDIR)$(bashcompdir)/weft' \
	    '$(DESTDIR)$(zshcompdir)/_weft'

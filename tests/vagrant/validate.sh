#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# validate.sh TREE: the Vagrantfile for both providers, and the scripts beside
# it.  Needs vagrant, vagrant-libvirt and shellcheck; neither libvirtd nor
# VirtualBox.  Prints a line for each test, and how many passed.
set -u
tree=$(cd "$1" && pwd) || exit 2
VAGRANT_HOME=$(mktemp -d "${TMPDIR:-/tmp}/vagrant.XXXXXX") || exit 1
export VAGRANT_HOME VAGRANT_DOTFILE_PATH=$VAGRANT_HOME/state
export VAGRANT_CHECKPOINT_DISABLE=1
unset VAGRANT_CWD VAGRANT_VAGRANTFILE VAGRANT_DEFAULT_PROVIDER WEFT_BOX
trap 'rm -rf "$VAGRANT_HOME"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
cd "$tree/vagrant" || exit 1

# libvirt's own driver for tests, inside its library, is asked what it is.
cat >"$VAGRANT_HOME/Vagrantfile" <<'EOF'
Vagrant.configure("2") do |config|
  config.vm.provider(:libvirt) { |libvirt| libvirt.uri = "test:///default" }
end
EOF

libvirt() {
    VAGRANT_DEFAULT_PROVIDER=libvirt vagrant validate
}

virtualbox() {
    local vagrant
    vagrant=$(dpkg -L vagrant | grep '/lib/vagrant\.rb$') || return
    VAGRANT_NO_PLUGINS=1 ruby -I"${vagrant%/*}" \
        "$tree/tests/vagrant/validate.rb"
}

scripts() {
    shellcheck make-box provision.sh "$tree/tests/vagrant/validate.sh"
}

passed=0 failed=0
for name in libvirt virtualbox scripts; do
    if said=$($name 2>&1); then
        echo "passed $name"
        passed=$((passed + 1))
    else
        printf 'FAILED %s\n%s\n' "$name" "$said"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]

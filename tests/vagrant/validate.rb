# SPDX-License-Identifier: Apache-2.0
# Reads the Vagrantfile of the current directory as for VirtualBox, which need
# not be there: "vagrant validate" would ask it for its version first.  Finds what
# does not exist; values are looked at by "vagrant validate" alone.
require "vagrant"

environment = Vagrant::Environment.new(cwd: Dir.pwd)
complaints = environment.machine_names.flat_map do |name|
  found = environment.vagrantfile.machine_config(name, :virtualbox, nil, nil,
                                                 false)
  provider = found[:config].vm.get_provider_config(:virtualbox)
  provider.finalize!
  (found[:config_errors] + provider._detected_errors)
    .map { |text| "#{name}: #{text}" }
end
puts complaints
abort "no machine" if environment.machine_names.empty?
exit complaints.empty?

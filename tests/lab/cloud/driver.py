# SPDX-License-Identifier: Apache-2.0
"""The virt driver of the lab: Nova's fake driver, whose guests are files that live and die as real ones would.

nova-compute loads it as ``nova.virt.lab``, a link that ``environment`` puts into the virtual environment; ``guests`` is
linked beside it as ``nova.virt.lab_guests``.
"""

import os
import tempfile
import time

import nova.conf
import os_traits
from nova import exception
from nova.compute import power_state, task_states
from nova.virt import fake, hardware, lab_guests, node

CONF = nova.conf.CONF
LAB = "/var/lib/nova-ha-lab"
POWER_STATES = {
    lab_guests.RUNNING: power_state.RUNNING,
    lab_guests.PAUSED: power_state.PAUSED,
    None: power_state.SHUTDOWN,
}


class LabDriver(fake.FakeDriver):
    """Many small guests on one host; see ``guests`` for what a guest is."""

    vcpus = 256
    memory_mb = 256 * 1024
    local_gb = 4096

    def init_host(self, host):
        """Called once by nova-compute, before anything else."""
        super().init_host(host)
        self._guests = lab_guests.Guests(
            host,
            definitions=f"{CONF.state_path}/guests",
            states="/run/nova-ha-lab/guests",
            local_disks=f"{CONF.state_path}/instances",
            shared_disks=f"{LAB}/disks",
            journal=f"{LAB}/guests/{host}.jsonl",
            switches=f"{LAB}/control/guests.json",
        )
        time.sleep(self._guests.switches.start_seconds)
        tracker = self.virtapi._compute.rt
        tracker.finish_evacuation = self._held_back(tracker.finish_evacuation)

    def _held_back(self, finish_evacuation):
        """Nova's own end of an evacuation, behind a gate: what a host does whose resource tracker's lock others hold.

        Until then Nova has the instance active, without a task, on its former host.
        """

        def finish(*args, **kwargs):
            while CONF.host in self._guests.switches.hold_end_on:
                time.sleep(0.2)
            finish_evacuation(*args, **kwargs)

        return finish

    # The host. The fake driver makes a new identity each time that the process starts; a host keeps its own.

    def get_nodenames_by_uuid(self, refresh=False):
        """The host's one node by its lasting uuid."""
        return {node.get_local_node_uuid(): self.get_available_nodes()[0]}

    def get_available_resource(self, nodename):
        """As the fake driver's, with the lasting uuid."""
        return {**super().get_available_resource(nodename), "uuid": node.get_local_node_uuid()}

    def update_provider_tree(self, provider_tree, nodename, allocations=None):
        """As the fake driver's, with all traits by which the scheduler finds a host for a virtual TPM."""
        super().update_provider_tree(provider_tree, nodename, allocations)
        provider_tree.add_traits(nodename, *os_traits.get_traits("COMPUTE_SECURITY_TPM_"))

    # What is there.

    def list_instances(self):
        """Names of the defined guests."""
        return list(self._guests.defined().values())

    def list_instance_uuids(self):
        """Uuids of the defined guests."""
        return list(self._guests.defined())

    def get_info(self, instance, use_cache=True):
        """The power state of a defined guest."""
        self._must_be_defined(instance)
        return hardware.InstanceInfo(state=POWER_STATES[self._guests.state(instance.uuid)])

    def instance_on_disk(self, instance):
        """Nova's own check for shared storage, made on an evacuation's destination."""
        return self._guests.disk(instance.uuid).exists()

    # Nova's other check for shared storage, made when the source cleans up: can one host see a file of the other?

    def check_instance_shared_storage_local(self, context, instance):
        """Leave a file beside the instance's disk, if it has one here."""
        directory = self._guests.disk(instance.uuid).parent
        if not directory.exists():
            return None
        handle, path = tempfile.mkstemp(dir=directory)
        os.close(handle)
        return {"filename": path}

    def check_instance_shared_storage_remote(self, context, data):
        """Whether the file that the other host left is seen here."""
        return os.path.exists(data["filename"])

    def check_instance_shared_storage_cleanup(self, context, data):
        """Remove the file again."""
        os.unlink(data["filename"])

    # A guest's life.

    def spawn(self, context, instance, *args, power_on=True, **kwargs):
        """Define and start a guest, after the spawn time; the switches may hold it back, or make it fail."""
        switches = self._guests.switches
        time.sleep(switches.spawn_seconds)
        while CONF.host in self._guests.switches.hold_spawn_on:
            time.sleep(0.2)
        if CONF.host in switches.fail_spawn_on:
            raise exception.InstanceDeployFailure(reason=f"the lab's switch says that spawns fail on {CONF.host}")
        self._guests.define(instance.uuid, instance.name)
        if power_on:
            self._guests.start(instance.uuid, "spawn")

    def destroy(self, context, instance, network_info, block_device_info=None, destroy_disks=True, **kwargs):
        """Stop and forget a guest."""
        self._guests.stop(instance.uuid, "destroy")
        self._guests.undefine(instance.uuid, with_disk=destroy_disks)

    def cleanup(self, context, instance, network_info, block_device_info=None, destroy_disks=True, **kwargs):
        """Remove what a destroyed guest has left."""
        self._guests.undefine(instance.uuid, with_disk=destroy_disks)

    def power_off(self, instance, timeout=0, retry_interval=0):
        """Stop a guest."""
        self._must_be_defined(instance)
        self._guests.stop(instance.uuid, "power_off")

    def power_on(self, context, instance, *args, **kwargs):
        """Start a guest that is defined."""
        self._must_be_defined(instance)
        self._guests.start(instance.uuid, "power_on")

    def reboot(self, context, instance, *args, **kwargs):
        """Stop and start a guest; one that is not defined is defined anew, as libvirt's hard reboot does."""
        self._guests.stop(instance.uuid, "reboot")
        self._guests.define(instance.uuid, instance.name)
        self._guests.start(instance.uuid, "reboot")

    def resume_state_on_host_boot(self, context, instance, *args, **kwargs):
        """Start the guest of an instance that ran when its host went down, as libvirt does: by a hard reboot."""
        self.reboot(context, instance)

    def pause(self, instance):
        """Freeze a guest."""
        self._guests.pause(instance.uuid, True)

    def unpause(self, instance):
        """Thaw a guest."""
        self._guests.pause(instance.uuid, False)

    def rescue(self, context, instance, *args, **kwargs):
        """Start a guest that Nova has stopped, as if from the rescue image."""
        self._guests.start(instance.uuid, "rescue")

    def snapshot(self, context, instance, image_id, update_task_state):
        """Nothing: there is nothing in a disk."""
        self._must_be_defined(instance)
        update_task_state(task_state=task_states.IMAGE_UPLOADING)

    def suspend(self, context, instance):
        """Write a guest's memory away: it runs no more."""
        self._guests.stop(instance.uuid, "suspend")

    def resume(self, context, instance, network_info, block_device_info=None, share_info=None):
        """Let a suspended guest go on."""
        self._guests.start(instance.uuid, "resume")

    # Moves, with both hosts alive.

    def migrate_disk_and_power_off(self, context, instance, *args, **kwargs):
        """A resize begins on the source."""
        self._guests.stop(instance.uuid, "resize")

    def finish_revert_migration(self, context, instance, *args, power_on=True, **kwargs):
        """A resize is taken back: the guest is defined here still."""
        if power_on:
            self._guests.start(instance.uuid, "revert_resize")

    def live_migration(self, context, instance, dest, post_method, recover_method, block_migration=False,
                       migrate_data=None):  # fmt: skip
        """The guest stops here before Nova lets it start there."""
        self._guests.stop(instance.uuid, "live_migration")
        post_method(context, instance, dest, block_migration, migrate_data)

    def _must_be_defined(self, instance):
        if not self._guests.is_defined(instance.uuid):
            raise exception.InstanceNotFound(instance_id=instance.uuid)

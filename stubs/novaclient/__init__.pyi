# SPDX-License-Identifier: Apache-2.0
# What nova-ha uses of python-novaclient, which has no types. What managers read is of their resource_class:
# compute_api.Body, a dict.

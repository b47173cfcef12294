# SPDX-License-Identifier: Apache-2.0
"""What the engine tells to the outside by itself: notifications, persisted and sent until they are taken."""

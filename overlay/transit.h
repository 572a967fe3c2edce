/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OVERLAY_TRANSIT_H
#define OVERLAY_TRANSIT_H 1
#include "openvswitch/types.h"
#include "overlay/model.h"
#define EXTERNAL_MAC ETH_ADDR_C(0e,57,00,00,00,02)
struct in6_addr transit_address(uint16_t slot, bool v4);
#endif

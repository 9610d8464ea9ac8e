// SPDX-License-Identifier: GPL-2.0
/*
 * rx_csum NETIF 0|1: turn receive checksum offload off or on by the ioctl that
 * ethtool used before it had netlink. Prints what it is then.
 */
#include <err.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SRXCSUM };
	struct ifreq ifr = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (argc != 3)
		errx(2, "usage: rx_csum NETIF 0|1");
	value.data = atoi(argv[2]);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", argv[1]);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr))
		err(1, "ETHTOOL_SRXCSUM");
	value.cmd = ETHTOOL_GRXCSUM;
	if (ioctl(fd, SIOCETHTOOL, &ifr))
		err(1, "ETHTOOL_GRXCSUM");
	printf("%s\n", value.data ? "on" : "off");
	return 0;
}

#include "command.h"
int cmd_setup(int argc, char **argv){(void)argc;(void)argv;return 1;}
int cmd_reset(int argc, char **argv){(void)argc;(void)argv;return 1;}
int cmd_regions(int argc, char **argv){(void)argc;(void)argv;return 1;}

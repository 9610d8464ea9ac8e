/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __NOUVEAU_UNPLUG_H__
#define __NOUVEAU_UNPLUG_H__

struct nouveau_bo;
struct nouveau_drm;

void nouveau_unplug_track(struct nouveau_bo *nvbo);
void nouveau_unplug_forget(struct nouveau_bo *nvbo);
void nouveau_unplug_bos(struct nouveau_drm *drm);

#endif

// Marks what libgeo.so shows; everything else is hidden.
#pragma once
#define GEO_EXPORT __attribute__((visibility("default")))

"use strict";

const place = document.getElementById("redoc");

Redoc.init(
  place.dataset.openapiUrl,
  {
    // The default fonts come from another host.
    theme: {
      typography: {
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
      },
    },
  },
  place,
);

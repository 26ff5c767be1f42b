"use strict";

const place = document.getElementById("swagger-ui");

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.openapiUrl,
  deepLinking: true,
  displayRequestDuration: true,
  // The online validator would send the document to another host.
  validatorUrl: null,
});

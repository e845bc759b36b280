// Shows the schema of this service. The token that a person types stays in the page.
window.SwaggerUIBundle({
  url: "/schema",
  dom_id: "#docs",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});

import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import Drive from "./drive.js";

const value = (id) => document.getElementById(id).value.trim();

const uppy = new Uppy()
  .use(Dashboard, { inline: true, target: "#uploads" })
  .use(Drive, { url: () => value("url"), token: () => value("token") });

uppy.on("upload-success", (file, { body }) => {
  const button = document.createElement("button");
  button.textContent = body.name;
  button.onclick = async () => {
    const download = await uppy.getPlugin("Drive").call("GET", `/files/${body.fileId}/download`);
    location.assign(download.presigned_get_url);
  };
  const item = document.createElement("li");
  item.append(button, ` version ${body.version}, ${body.size} bytes, ${body.checksum}`);
  document.getElementById("uploaded").append(item);
});

import "./dataset.ts";

export * from "../index.ts";
export {
  type DownloadDatasetOptions,
  type DownloadOptions,
  downloadDataset,
  downloadModel,
} from "./download.ts";
export { FileError } from "./files.ts";
export type { TransferOptions, TransferProgress } from "./transfer.ts";
export {
  type UploadDatasetOptions,
  type UploadModelOptions,
  type UploadOptions,
  uploadDataset,
  uploadModel,
} from "./upload.ts";

// One PUT to S3. XMLHttpRequest, because fetch can't tell how many bytes were sent.

/** A PUT that failed. `status` is 0 if no answer came. */
export class PutError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const STALLED_MS = 60_000;

/**
 * Send bytes to a presigned URL.
 *
 * @param {string} url
 * @param {Blob} bytes
 * @param {{signal: AbortSignal, on_progress: (sent_bytes: number) => void}} options
 * @returns {Promise<string|null>} the ETag
 * @throws {PutError} storage refused the bytes, or no answer came; also if nothing moved for a minute
 */
export const put = (url, bytes, { signal, on_progress }) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let stalled = null;
    const stop = () => request.abort();
    const watch = () => {
      clearTimeout(stalled);
      stalled = setTimeout(stop, STALLED_MS);
    };
    const end = (how, value) => {
      clearTimeout(stalled);
      signal.removeEventListener("abort", stop);
      how(value);
    };
    request.upload.onprogress = (event) => {
      watch();
      on_progress(event.loaded);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) end(resolve, request.getResponseHeader("ETag"));
      else end(reject, new PutError(request.status, `Storage answered ${request.status}.`));
    };
    request.onerror = () => end(reject, new PutError(0, "No answer came from storage."));
    request.onabort = () =>
      end(reject, signal.aborted ? signal.reason : new PutError(0, "Nothing was sent for a minute."));
    signal.addEventListener("abort", stop);
    request.open("PUT", url);
    request.send(bytes);
    watch();
    if (signal.aborted) stop();
  });

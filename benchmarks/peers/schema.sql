-- The tables of the peers: those of the service, as far as the measured requests touch them.
CREATE TABLE users (
    id uuid PRIMARY KEY,
    subject varchar(255) NOT NULL UNIQUE,
    username varchar(255) NOT NULL UNIQUE,
    email varchar(254) NOT NULL DEFAULT '',
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE files (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users DEFERRABLE INITIALLY DEFERRED,
    name varchar(255) NOT NULL,
    content_type varchar(255) NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    checksum varchar(71) NOT NULL,
    integrity varchar(8) NOT NULL,
    key_current varchar(255) NOT NULL,
    version_current bigint NOT NULL CHECK (version_current >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX files_listing ON files (user_id, created_at, id);
CREATE TABLE file_versions (
    id uuid PRIMARY KEY,
    file_id uuid NOT NULL REFERENCES files DEFERRABLE INITIALLY DEFERRED,
    version bigint NOT NULL CHECK (version >= 1),
    key varchar(255) NOT NULL UNIQUE,
    store_version_id varchar(255) NOT NULL,
    etag varchar(255) NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    content_type varchar(255) NOT NULL,
    checksum varchar(71) NOT NULL,
    integrity varchar(8) NOT NULL,
    created_by_id uuid REFERENCES users DEFERRABLE INITIALLY DEFERRED,
    created_at timestamptz NOT NULL,
    UNIQUE (file_id, version)
);
CREATE INDEX file_versions_created_by ON file_versions (created_by_id);
CREATE TABLE uploads (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users DEFERRABLE INITIALLY DEFERRED,
    key varchar(255) NOT NULL UNIQUE,
    filename varchar(255) NOT NULL,
    content_type varchar(255) NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    checksum varchar(71),
    file_id uuid REFERENCES files DEFERRABLE INITIALLY DEFERRED,
    state varchar(9) NOT NULL,
    commit_by timestamptz NOT NULL,
    file_version_id uuid UNIQUE REFERENCES file_versions DEFERRABLE INITIALLY DEFERRED,
    created_at timestamptz NOT NULL
);
CREATE INDEX uploads_due ON uploads (state, commit_by);
CREATE INDEX uploads_listing ON uploads (user_id, created_at);
CREATE INDEX uploads_file ON uploads (file_id);

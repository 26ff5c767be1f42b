-- Written by `make docs` from the migrations.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE jobs (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(24) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	family VARCHAR(200) NOT NULL, 
	params JSON NOT NULL, 
	warnings JSON NOT NULL, 
	attempt INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	losses INTEGER NOT NULL, 
	restarts INTEGER NOT NULL, 
	images_done JSON NOT NULL, 
	progress FLOAT NOT NULL, 
	created_at DATETIME NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	error_code VARCHAR(64), 
	error_message TEXT, dialect VARCHAR(64) DEFAULT 'native' NOT NULL, client VARCHAR(200) DEFAULT '' NOT NULL, client_model VARCHAR(200), request JSON DEFAULT '{}' NOT NULL, folder TEXT, 
	UNIQUE (id)
);
CREATE INDEX jobs_by_status ON jobs (status, number);
CREATE TABLE images (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	filename VARCHAR(64) NOT NULL, 
	job_id VARCHAR(24) NOT NULL, 
	"index" INTEGER NOT NULL, 
	model VARCHAR(200) NOT NULL, 
	family VARCHAR(200) NOT NULL, 
	prompt TEXT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	recipe JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	seconds FLOAT NOT NULL, 
	size INTEGER NOT NULL, folder TEXT, 
	UNIQUE (job_id, "index"), 
	UNIQUE (filename)
);
CREATE INDEX images_by_model ON images (model, id);
CREATE VIRTUAL TABLE images_search USING fts5(prompt, model, content='images', content_rowid='id');
CREATE TRIGGER images_search_insert AFTER INSERT ON images BEGIN INSERT INTO images_search(rowid, prompt, model) VALUES (new.id, new.prompt, new.model); END;
CREATE TRIGGER images_search_delete AFTER DELETE ON images BEGIN INSERT INTO images_search(images_search, rowid, prompt, model) VALUES ('delete', old.id, old.prompt, old.model); END;
CREATE TABLE trash (
	filename VARCHAR(64) NOT NULL, folder TEXT, 
	PRIMARY KEY (filename)
);
CREATE TABLE idempotency (
	scope VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	body_hash VARCHAR(64) NOT NULL, 
	job_id VARCHAR(24) NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (scope, "key")
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE TABLE state (
	"key" VARCHAR(64) NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE lora_files (
	folder VARCHAR(200) NOT NULL, 
	name TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	mtime_ns INTEGER NOT NULL, 
	ctime_ns INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	autov1 VARCHAR(8), 
	autov3 VARCHAR(64) NOT NULL, 
	header JSON NOT NULL, 
	sidecars JSON NOT NULL, 
	gone_at DATETIME, 
	PRIMARY KEY (folder, name)
);
CREATE TABLE lora_facts (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	sha256 VARCHAR(64) NOT NULL, 
	model_id INTEGER, 
	version_id INTEGER, 
	ids JSON NOT NULL, 
	civitai JSON, 
	not_on_civitai_at DATETIME, 
	edits JSON NOT NULL, 
	UNIQUE (sha256)
);
CREATE TABLE lora_references (
	name TEXT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE api_keys (
	id VARCHAR(16) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	salt VARCHAR(64) NOT NULL, 
	hash VARCHAR(128) NOT NULL, 
	tier VARCHAR(16) NOT NULL, 
	scopes JSON NOT NULL, 
	max_queued INTEGER, 
	max_running INTEGER, 
	created_at DATETIME NOT NULL, 
	revoked_at DATETIME, 
	PRIMARY KEY (id)
);
CREATE TABLE webhooks (
	job_id VARCHAR(24) NOT NULL, 
	tries INTEGER NOT NULL, 
	due_at DATETIME, 
	outcome TEXT, 
	PRIMARY KEY (job_id)
);
CREATE INDEX webhooks_by_time ON webhooks (due_at);
CREATE INDEX jobs_by_dialect ON jobs (dialect, number);
CREATE INDEX jobs_by_age ON jobs (created_at);
INSERT INTO alembic_version VALUES ('0003');

"""The life of a job: kept (`store`), run (`manager`), watched (`feed`)."""

"""What clients of AUTOMATIC1111's API send, as JSON, and the words of the web UI's own answers."""

from __future__ import annotations

from typing import Any

#: Open WebUI: `AUTOMATIC1111_PARAMS` are mixed in.
OPEN_WEBUI: dict[str, Any] = {
    "prompt": "a red lighthouse at night",
    "batch_size": 2,
    "width": 512,
    "height": 512,
    "steps": 50,
    "negative_prompt": "blurry",
    "cfg_scale": 7.5,
    "sampler_name": "Euler a",
    "scheduler": "Karras",
}

#: SillyTavern: it sends its own connection along, and settings of extensions that may be absent.
SILLYTAVERN: dict[str, Any] = {
    "url": "http://127.0.0.1:8000",
    "auth": "darkroom:",
    "prompt": "best quality, a red lighthouse",
    "negative_prompt": "lowres",
    "sampler_name": "DPM++ 2M",
    "scheduler": "automatic",
    "steps": 20,
    "cfg_scale": 7,
    "width": 512,
    "height": 512,
    "restore_faces": False,
    "enable_hr": False,
    "hr_upscaler": "Latent",
    "hr_scale": 1,
    "hr_additional_modules": [],
    "denoising_strength": 0.7,
    "hr_second_pass_steps": 0,
    "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic"},
    "override_settings_restore_afterwards": True,
    "clip_skip": 1,
    "save_images": True,
    "send_images": True,
    "do_not_save_grid": False,
    "do_not_save_samples": False,
}

#: LibreChat: the old name of the sampler, and numbers as texts.
LIBRECHAT: dict[str, Any] = {
    "prompt": "a red lighthouse",
    "negative_prompt": "low quality",
    "sampler_index": "DPM++ 2M Karras",
    "cfg_scale": "4.5",
    "steps": "22",
    "width": "1024",
    "height": 1024,
}

#: webuiapi: every word of the web UI, null where nothing was chosen.
WEBUIAPI: dict[str, Any] = {
    "enable_hr": False,
    "hr_scale": 2,
    "hr_upscaler": "Latent",
    "hr_second_pass_steps": 0,
    "hr_resize_x": 0,
    "hr_resize_y": 0,
    "hr_checkpoint_name": None,
    "hr_sampler_name": None,
    "hr_scheduler": None,
    "hr_prompt": "",
    "hr_negative_prompt": "",
    "denoising_strength": 0.7,
    "firstphase_width": 0,
    "firstphase_height": 0,
    "prompt": "a red lighthouse",
    "styles": [],
    "seed": 1003,
    "subseed": -1,
    "subseed_strength": 0.0,
    "seed_resize_from_h": 0,
    "seed_resize_from_w": 0,
    "batch_size": 1,
    "n_iter": 1,
    "steps": 20,
    "cfg_scale": 7.0,
    "width": 512,
    "height": 512,
    "restore_faces": False,
    "tiling": False,
    "do_not_save_samples": False,
    "do_not_save_grid": False,
    "negative_prompt": "",
    "eta": 1.0,
    "s_churn": 0,
    "s_tmax": 0,
    "s_tmin": 0,
    "s_noise": 1,
    "override_settings": {},
    "override_settings_restore_afterwards": True,
    "sampler_name": "Euler a",
    "scheduler": "automatic",
    "sampler_index": "Euler a",
    "script_name": None,
    "script_args": [],
    "send_images": True,
    "save_images": False,
    "alwayson_scripts": {},
}

BODIES = {
    "open webui": OPEN_WEBUI,
    "sillytavern": SILLYTAVERN,
    "librechat": LIBRECHAT,
    "webuiapi": WEBUIAPI,
}

#: What the web UI's `info` holds (`Processed.js` of version 1.10).
INFO_WORDS = {
    "prompt",
    "all_prompts",
    "negative_prompt",
    "all_negative_prompts",
    "seed",
    "all_seeds",
    "subseed",
    "all_subseeds",
    "subseed_strength",
    "width",
    "height",
    "sampler_name",
    "cfg_scale",
    "steps",
    "batch_size",
    "restore_faces",
    "face_restoration_model",
    "sd_model_name",
    "sd_model_hash",
    "sd_vae_name",
    "sd_vae_hash",
    "seed_resize_from_w",
    "seed_resize_from_h",
    "denoising_strength",
    "extra_generation_params",
    "index_of_first_image",
    "infotexts",
    "styles",
    "job_timestamp",
    "clip_skip",
    "is_using_inpainting_conditioning",
    "version",
}

#: What its `progress` says when nothing runs.
IDLE: dict[str, Any] = {
    "progress": 0.0,
    "eta_relative": 0.0,
    "state": {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "",
        "job_count": 0,
        "job_timestamp": "0",
        "job_no": 0,
        "sampling_step": 0,
        "sampling_steps": 0,
    },
    "current_image": None,
    "textinfo": None,
}

#: The infotext that the web UI itself writes.
INFOTEXT = (
    "masterpiece, (cat:1.2) <lora:one:0.5>\nNegative prompt: bad hands\n"
    "Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 99, "
    'Size: 512x768, Model hash: abc123, Model: anything, Lora hashes: "one: 0123456789ab", '
    "Version: v1.10.1"
)

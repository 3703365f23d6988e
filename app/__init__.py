"""The page. It imports papr_core's public names and holds no tensor code; papr_core never imports it."""

"""Start the page: python app.py [--host --port --device --weights-dir --models --downloads --mcp]."""

from app.start import main

if __name__ == "__main__":
    main()

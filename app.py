"""Start the page: python app.py; --help says how (app/start.py)."""

from app.start import main

if __name__ == "__main__":
    main()
